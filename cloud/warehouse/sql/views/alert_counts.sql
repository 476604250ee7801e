-- Alarms about each sign, by day.
CREATE VIEW alert_counts AS
SELECT
    date_trunc('day', started) AS alarm_day,
    condition,
    count(*) AS alarms,
    count(DISTINCT patient) AS patients
FROM alarm_timeline
WHERE kind = 'physiological'
GROUP BY date_trunc('day', started), condition;
