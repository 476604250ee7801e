-- One row per incident, or technical alarm, that called a person: its first call, with the place of the patient then, and
-- the first answer from then on, at the bed, the page or by a link. `answer` is acknowledged, coming or cannot.
CREATE VIEW call_answers AS
SELECT
    called.incident,
    called.subject,
    called.patient,
    called.ward,
    called.bed,
    called.kind,
    called.log_t AS called,
    counts.highest_priority,
    counts.calls,
    counts.handovers,
    answered.log_t AS answered,
    answered.answer,
    answered.acted_by AS answered_by,
    extract(epoch FROM answered.log_t - called.log_t) AS to_answer_s,
    marks.marked,
    marks.marked_by
FROM (
    SELECT
        call_steps.*,
        row_number() OVER (PARTITION BY incident ORDER BY log_t, id, n) AS place
    FROM call_steps
    WHERE calls_person
) AS called
INNER JOIN (
    SELECT
        incident,
        max(priority) AS highest_priority,
        count(*) AS calls,
        sum(CASE WHEN hands_over THEN 1 ELSE 0 END) AS handovers
    FROM call_steps
    WHERE calls_person
    GROUP BY incident
) AS counts ON counts.incident = called.incident
LEFT JOIN (
    SELECT
        steps.incident,
        steps.log_t,
        steps.answer,
        steps.acted_by,
        row_number() OVER (PARTITION BY steps.incident ORDER BY steps.log_t, steps.id, steps.n) AS place
    FROM call_steps AS steps
    INNER JOIN (
        SELECT incident, min(log_t) AS called FROM call_steps WHERE calls_person GROUP BY incident
    ) AS begun ON begun.incident = steps.incident AND steps.log_t >= begun.called
    WHERE steps.answer IS NOT NULL
) AS answered ON answered.incident = called.incident AND answered.place = 1
LEFT JOIN not_actionable_marks AS marks ON marks.incident = called.incident
WHERE called.place = 1;
