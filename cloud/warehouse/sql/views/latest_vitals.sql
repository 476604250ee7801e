-- The newest reading of every patient within 24 hours, with its age.
CREATE VIEW latest_vitals AS
SELECT
    patient,
    ward,
    bed,
    device,
    t,
    age_s,
    limits,
    suspect,
    breach,
    news2,
    {each: SIGN}
FROM (
    SELECT
        vitals_last_24h.*,
        row_number() OVER (PARTITION BY patient ORDER BY t DESC, boot DESC, seq DESC) AS newest
    FROM vitals_last_24h
) AS ranked
WHERE newest = 1;
