-- Readings of the last 24 hours, of patients alone.
CREATE VIEW vitals_last_24h AS
SELECT
    patient,
    ward,
    bed,
    device,
    boot,
    seq,
    t,
    extract(epoch FROM getdate() - t) AS age_s,
    limits,
    suspect,
    breach,
    news2,
    {each: SIGN}
FROM vitals
WHERE patient IS NOT NULL AND t > getdate() - interval '24 hours';
