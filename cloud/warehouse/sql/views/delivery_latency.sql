-- From the event time of an alarm's step to SNS's acceptance, each hour, ward and priority, in seconds: messages that SNS
-- accepted, and how many no channel took at first, whatever became of them later.
CREATE VIEW delivery_latency AS
SELECT
    date_trunc('hour', told.accepted) AS accepted_hour,
    alarms.ward,
    alarms.priority,
    count(told.latency_s) AS messages,
    count(*) - count(told.latency_s) AS failed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY told.latency_s) AS p50_s,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY told.latency_s) AS p99_s,
    max(told.latency_s) AS max_s
FROM (
    SELECT
        alarm,
        n,
        accepted,
        CASE WHEN sns IS NOT NULL THEN extract(epoch FROM accepted - t) END AS latency_s
    FROM notifications
    WHERE coalesce(state, 'accepted') = 'accepted'
) AS told
INNER JOIN alarms ON alarms.id = told.alarm AND alarms.n = told.n
WHERE coalesce(alarms.patient, '') NOT LIKE 'canary-%'
GROUP BY date_trunc('hour', told.accepted), alarms.ward, alarms.priority;
