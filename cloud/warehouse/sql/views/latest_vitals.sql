-- The newest reading of every patient in the newest day of data, with its age.
CREATE OR REPLACE VIEW latest_vitals AS
SELECT
    patient,
    ward,
    bed,
    device,
    t,
    extract(epoch FROM getdate() - t) AS age_s,
    limits,
    suspect,
    breach,
    news2,
    {signs}
FROM (
    SELECT
        vitals.*,
        row_number() OVER (PARTITION BY patient ORDER BY t DESC, boot DESC, seq DESC) AS newest
    FROM vitals
    WHERE patient IS NOT NULL AND t > (SELECT max(t) - interval '1 day' FROM vitals)
) AS ranked
WHERE newest = 1;
