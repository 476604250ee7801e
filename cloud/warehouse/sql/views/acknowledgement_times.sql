-- From an alarm's first word to its first acknowledgement, in seconds, by day, ward and highest priority.
CREATE VIEW acknowledgement_times AS
SELECT
    date_trunc('day', started) AS alarm_day,
    ward,
    highest_priority,
    count(*) AS alarms,
    count(to_acknowledge_s) AS acknowledged,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY to_acknowledge_s) AS p50_s,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY to_acknowledge_s) AS p90_s,
    max(to_acknowledge_s) AS max_s,
    sum(CASE WHEN handovers > 0 THEN 1 ELSE 0 END) AS handed_over
FROM alarm_timeline
GROUP BY date_trunc('day', started), ward, highest_priority;
