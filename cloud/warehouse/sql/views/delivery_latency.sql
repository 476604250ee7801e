-- From the event time of an alarm's step to SNS's acceptance, each hour, ward and priority, in seconds.
CREATE VIEW delivery_latency AS
SELECT
    date_trunc('hour', notifications.accepted) AS accepted_hour,
    alarms.ward,
    alarms.priority,
    count(*) AS messages,
    sum(CASE WHEN notifications.sns IS NULL THEN 1 ELSE 0 END) AS failed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM notifications.accepted - notifications.t)) AS p50_s,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM notifications.accepted - notifications.t)) AS p99_s,
    max(extract(epoch FROM notifications.accepted - notifications.t)) AS max_s
FROM notifications
INNER JOIN alarms ON alarms.id = notifications.alarm AND alarms.n = notifications.n
WHERE coalesce(alarms.patient, '') NOT LIKE 'canary-%'
GROUP BY date_trunc('hour', notifications.accepted), alarms.ward, alarms.priority;
