-- What alarms are about, by ward: how many, how long they last (median, seconds), and how many anybody acknowledged.
CREATE VIEW top_causes AS
SELECT
    ward,
    kind,
    condition,
    count(*) AS alarms,
    sum(CASE WHEN highest_priority = 3 THEN 1 ELSE 0 END) AS high,
    count(acknowledged) AS acknowledged,
    count(DISTINCT patient) AS patients,
    max(started) AS newest
FROM alarm_timeline
GROUP BY ward, kind, condition;
