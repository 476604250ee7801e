-- Readings of each hour and ward: how many, how many unassigned or suspect, and how late they reached Kafka, in seconds.
CREATE VIEW readings_per_hour AS
SELECT
    date_trunc('hour', t) AS reading_hour,
    ward,
    count(*) AS readings,
    sum(CASE WHEN patient IS NULL THEN 1 ELSE 0 END) AS unassigned,
    sum(CASE WHEN suspect <> 0 THEN 1 ELSE 0 END) AS suspect,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM log_t - t)) AS p50_s,
    max(extract(epoch FROM log_t - t)) AS max_s
FROM vitals
GROUP BY date_trunc('hour', t), ward;
