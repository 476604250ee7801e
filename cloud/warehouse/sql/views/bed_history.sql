-- Who was in which bed when: one row per stay; a stay without an end goes on.
CREATE VIEW bed_history AS
SELECT
    ward,
    bed,
    patient,
    min(valid_from) AS begins,
    CASE WHEN count(*) > count(valid_to) THEN NULL ELSE max(valid_to) END AS ends,
    max(gateway) AS gateway,
    max(cadence_s) AS cadence_s
FROM patients
WHERE NOT canary
GROUP BY ward, bed, patient, since;
