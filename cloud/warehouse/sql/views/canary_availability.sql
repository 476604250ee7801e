-- Alarms of the marked test patients, by hour and gateway: how many went the whole way to SNS, and in how many seconds.
CREATE VIEW canary_availability AS
SELECT
    date_trunc('hour', begun.started) AS started_hour,
    begun.gateway,
    count(*) AS alarms,
    count(told.accepted) AS delivered,
    1.0 * count(told.accepted) / count(*) AS availability,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM told.accepted - begun.started)) AS p50_s,
    max(extract(epoch FROM told.accepted - begun.started)) AS max_s
FROM (
    SELECT
        id,
        substring(max(patient), 8) AS gateway,
        min(started) AS started
    FROM alarms
    WHERE patient LIKE 'canary-%' AND kind = 'physiological'
    GROUP BY id
) AS begun
LEFT JOIN (
    SELECT alarm, min(accepted) AS accepted FROM notifications WHERE sns IS NOT NULL AND coalesce(state, 'accepted') = 'accepted' GROUP BY alarm
) AS told ON told.alarm = begun.id
GROUP BY date_trunc('hour', begun.started), begun.gateway;
