-- One row per alarm: its begin, its end if it ended for good, its highest priority, and how often it was told of. Times between
-- are in seconds: `to_acknowledge_s` from the first word of it to its first acknowledgement.
CREATE VIEW alarm_timeline AS
SELECT
    alarms.id,
    max(alarms.patient) AS patient,
    max(alarms.ward) AS ward,
    max(alarms.bed) AS bed,
    max(alarms.kind) AS kind,
    max(alarms.condition) AS condition,
    max(alarms.priority) AS highest_priority,
    min(alarms.started) AS started,
    CASE WHEN max(alarms.n) = max(CASE WHEN alarms.phase = 'end' THEN alarms.n END)
        THEN max(CASE WHEN alarms.phase = 'end' THEN alarms.t END) END AS ended,
    min(CASE WHEN alarms.inactivation = 'acknowledged' THEN alarms.t END) AS acknowledged,
    extract(epoch FROM
        min(CASE WHEN alarms.inactivation = 'acknowledged' THEN alarms.log_t END) - min(alarms.log_t)
    ) AS to_acknowledge_s,
    CASE WHEN max(alarms.n) = max(CASE WHEN alarms.phase = 'end' THEN alarms.n END)
        THEN extract(epoch FROM max(CASE WHEN alarms.phase = 'end' THEN alarms.t END) - min(alarms.started)) END AS lasted_s,
    max(alarms.handover) AS handovers,
    max(coalesce(told.messages, 0)) AS messages
FROM alarms
LEFT JOIN (SELECT alarm, count(*) AS messages FROM notifications WHERE sns IS NOT NULL AND coalesce(state, 'accepted') = 'accepted' GROUP BY alarm) AS told ON told.alarm = alarms.id
WHERE coalesce(alarms.patient, '') NOT LIKE 'canary-%'
GROUP BY alarms.id;
