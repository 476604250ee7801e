-- Alarms that began in each hour, by ward, kind and priority (3 high, 2 medium, 1 low).
CREATE VIEW alarms_per_hour AS
SELECT
    date_trunc('hour', started) AS started_hour,
    ward,
    kind,
    condition,
    priority,
    count(*) AS alarms
FROM alarms
WHERE phase = 'start' AND coalesce(patient, '') NOT LIKE 'canary-%'
GROUP BY date_trunc('hour', started), ward, kind, condition, priority;
