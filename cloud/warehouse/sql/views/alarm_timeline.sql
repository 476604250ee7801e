-- One row per alarm: its begin, its end if it ended, its highest priority, and how often it was told of.
CREATE OR REPLACE VIEW alarm_timeline AS
SELECT
    alarms.id,
    max(alarms.patient) AS patient,
    max(alarms.ward) AS ward,
    max(alarms.bed) AS bed,
    max(alarms.condition) AS condition,
    max(alarms.priority) AS highest_priority,
    min(alarms.started) AS started,
    max(CASE WHEN alarms.phase = 'end' THEN alarms.t END) AS ended,
    max(CASE WHEN alarms.inactivation = 'acknowledged' THEN alarms.t END) AS acknowledged,
    max(coalesce(told.messages, 0)) AS messages
FROM alarms
LEFT JOIN (SELECT alarm, count(*) AS messages FROM notifications GROUP BY alarm) AS told ON told.alarm = alarms.id
GROUP BY alarms.id;
