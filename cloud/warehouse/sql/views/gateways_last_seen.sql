-- Each gateway by its readings of the last 7 days: when it was last heard, and how long they waited there before they
-- were in Kafka, in seconds: the longest of the last hour shows a backlog that drains.
CREATE VIEW gateways_last_seen AS
SELECT
    gateway,
    max(ward) AS ward,
    max(t_gw) AS last_heard,
    max(log_t) AS last_forwarded,
    extract(epoch FROM getdate() - max(log_t)) AS age_s,
    count(DISTINCT device) AS devices,
    count(*) AS readings,
    max(extract(epoch FROM log_t - t_gw)) AS longest_wait_s,
    max(CASE WHEN log_t > getdate() - interval '1 hour' THEN extract(epoch FROM log_t - t_gw) END) AS wait_last_hour_s
FROM vitals
WHERE t > getdate() - interval '7 days'
GROUP BY gateway;
