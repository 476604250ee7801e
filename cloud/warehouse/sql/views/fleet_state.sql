-- The newest status of each gateway and bridge within 7 days. `clock_s` is how far its clock was behind the log's when it
-- said so, its way there included (NULL unless it was up); `backlog_age_s` is how long the oldest batch had waited.
CREATE VIEW fleet_state AS
SELECT
    id,
    kind,
    CASE WHEN log_t < getdate() - interval '5 minutes' THEN 'unknown' ELSE health END AS health,
    log_t AS last_heard,
    extract(epoch FROM getdate() - log_t) AS age_s,
    backlog,
    backlog_bytes,
    extract(epoch FROM t - backlog_since) AS backlog_age_s,
    accepted,
    rejected,
    clock_synchronised,
    CASE WHEN health = 'up' THEN extract(epoch FROM log_t - t) END AS clock_s,
    devices,
    unheard,
    offset_device,
    offset_ms,
    alarms,
    version
FROM (
    SELECT
        status.*,
        row_number() OVER (PARTITION BY id ORDER BY log_t DESC) AS newest
    FROM status
    WHERE log_t > getdate() - interval '7 days'
) AS told
WHERE newest = 1;
