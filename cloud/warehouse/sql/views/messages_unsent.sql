-- Alarm events of which a person has no message: no channel took it, and none has since. Contact `nobody` stands for a
-- ward without anybody on duty.
CREATE VIEW messages_unsent AS
SELECT
    failed.contact,
    failed.alarm,
    failed.patient,
    failed.ward,
    failed.priority,
    failed.failed,
    failed.error
FROM (
    SELECT
        told.contact,
        told.alarm,
        told.n,
        told.handover,
        told.patient,
        coalesce(told.ward, events.ward) AS ward,
        coalesce(told.priority, events.priority) AS priority,
        told.accepted AS failed,
        told.error,
        row_number() OVER (
            PARTITION BY told.alarm, told.n, told.contact, told.handover ORDER BY told.accepted
        ) AS place
    FROM notifications AS told
    LEFT JOIN alarms AS events ON events.id = told.alarm AND events.n = told.n
    WHERE told.sns IS NULL
        AND coalesce(told.state, 'accepted') = 'accepted'
        AND coalesce(told.patient, '') NOT LIKE 'canary-%'
) AS failed
LEFT JOIN (
    SELECT DISTINCT alarm, n, contact, handover FROM notifications WHERE sns IS NOT NULL
) AS sent
    ON sent.alarm = failed.alarm
    AND sent.n = failed.n
    AND sent.contact = failed.contact
    AND sent.handover = failed.handover
WHERE failed.place = 1 AND sent.alarm IS NULL;
