-- Highest and lowest value of each sign, by patient and day; values marked suspect are left out.
CREATE VIEW vitals_extremes AS
SELECT
    date_trunc('day', t) AS reading_day,
    patient,
    max(ward) AS ward,
    count(*) AS readings,
    {each: max(CASE WHEN mod(suspect / CODE, 16) = 0 THEN SIGN END) AS SIGN_highest},
    {each: min(CASE WHEN mod(suspect / CODE, 16) = 0 THEN SIGN END) AS SIGN_lowest}
FROM vitals
WHERE patient IS NOT NULL
GROUP BY date_trunc('day', t), patient;
