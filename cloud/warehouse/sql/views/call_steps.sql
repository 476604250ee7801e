-- Alarm events with the incident that they belong to, whether they call a person, and the answer that they carry. An
-- alarm without an incident, such as a technical one, stands for itself. Rows of before version 0.2 have no incident.
CREATE VIEW call_steps AS
SELECT
    id,
    n,
    coalesce(nullif(incident, ''), id) AS incident,
    subject,
    patient,
    ward,
    bed,
    kind,
    priority,
    log_t,
    acted_by,
    phase = 'continue' AND handover > 0 OR coalesce(call, '') = 'handover' AS hands_over,
    CASE
        WHEN priority < 2 THEN false
        WHEN incident <> '' THEN coalesce(call, '') <> ''
        WHEN phase = 'continue' THEN handover > 0
        WHEN phase = 'start' THEN coalesce(inactivation, '') <> 'acknowledged'
        ELSE phase = 'escalate'
    END AS calls_person,
    CASE
        WHEN inactivation = 'acknowledged' THEN 'acknowledged'
        WHEN coming <> '' THEN 'coming'
        WHEN strpos(coalesce(declined, ''), '"') > 0 THEN 'cannot'
    END AS answer
FROM alarms
WHERE coalesce(patient, '') NOT LIKE 'canary-%';
