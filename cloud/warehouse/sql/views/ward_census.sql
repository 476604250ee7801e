-- Patients in each ward now.
CREATE VIEW ward_census AS
SELECT
    ward,
    count(*) AS patients,
    sum(CASE WHEN oxygen THEN 1 ELSE 0 END) AS on_oxygen,
    min(since) AS longest_since
FROM patients
WHERE valid_to IS NULL AND discharged IS NULL AND NOT canary
GROUP BY ward;
