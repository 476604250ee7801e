-- One row per message that a channel's service accepted for a person. Alarm, ward, patient and priority are those of its
-- first alarm: the most urgent one, then the oldest. `latency_s` is from that alarm's event to the acceptance; `opened` and
-- `answered` are of the link's page alone, and NULL means that nothing is known. `kind` is alarm, courtesy or proof.
CREATE VIEW messages_to_people AS
SELECT
    leads.contact,
    leads.sns AS message,
    CASE leads.whole_kind WHEN '' THEN 'alarm' ELSE leads.whole_kind END AS kind,
    leads.alarm,
    leads.patient,
    leads.ward,
    leads.priority,
    leads.handover,
    leads.alarms,
    leads.queued,
    leads.accepted,
    outcomes.delivered,
    outcomes.undelivered,
    outcomes.opened,
    outcomes.answered,
    extract(epoch FROM leads.accepted - leads.t) AS latency_s,
    extract(epoch FROM outcomes.answered - leads.accepted) AS to_answer_s,
    marks.incident IS NOT NULL AS not_actionable
FROM (
    SELECT
        told.contact,
        told.sns,
        told.alarm,
        told.patient,
        told.handover,
        told.queued,
        told.accepted,
        told.t,
        coalesce(told.ward, events.ward) AS ward,
        coalesce(told.priority, events.priority) AS priority,
        coalesce(nullif(events.incident, ''), told.alarm) AS incident,
        min(coalesce(told.kind, '')) OVER (PARTITION BY told.contact, told.sns) AS whole_kind,
        count(*) OVER (PARTITION BY told.contact, told.sns) AS alarms,
        row_number() OVER (
            PARTITION BY told.contact, told.sns
            ORDER BY coalesce(told.priority, events.priority, 0) DESC, told.t, told.alarm, told.n, told.handover
        ) AS place
    FROM notifications AS told
    LEFT JOIN alarms AS events ON events.id = told.alarm AND events.n = told.n
    WHERE told.sns IS NOT NULL
        AND coalesce(told.state, 'accepted') = 'accepted'
        AND coalesce(told.patient, '') NOT LIKE 'canary-%'
) AS leads
LEFT JOIN (
    SELECT
        contact,
        sns,
        min(CASE WHEN state = 'delivered' THEN accepted END) AS delivered,
        min(CASE WHEN state = 'failed' THEN accepted END) AS undelivered,
        min(CASE WHEN state = 'opened' THEN accepted END) AS opened,
        min(CASE WHEN state = 'answered' THEN accepted END) AS answered
    FROM notifications
    GROUP BY contact, sns
) AS outcomes ON outcomes.contact = leads.contact AND outcomes.sns = leads.sns
LEFT JOIN not_actionable_marks AS marks ON marks.incident = leads.incident
WHERE leads.place = 1;
