-- Each gateway and bridge by the hour, of its statuses: the largest backlog, how far clocks were off, and the share of
-- statuses that said it was up.
CREATE VIEW fleet_hourly AS
SELECT
    date_trunc('hour', log_t) AS status_hour,
    id,
    max(kind) AS kind,
    count(*) AS statuses,
    1.0 * sum(CASE WHEN health = 'up' THEN 1 ELSE 0 END) / count(*) AS up_share,
    max(backlog) AS backlog,
    max(backlog_bytes) AS backlog_bytes,
    max(extract(epoch FROM t - backlog_since)) AS backlog_age_s,
    max(CASE WHEN health = 'up' THEN abs(extract(epoch FROM log_t - t)) END) AS clock_s,
    max(abs(offset_ms)) / 1000.0 AS device_clock_s,
    max(alarms) AS alarms
FROM status
GROUP BY date_trunc('hour', log_t), id;
