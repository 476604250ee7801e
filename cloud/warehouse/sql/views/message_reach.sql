-- Messages about alarms by day, ward, person and priority: how many were delivered, reached a person (opened or answered by
-- the link), and how soon they were answered by it. Answers at the page or the bed are in `call_answers`.
CREATE VIEW message_reach AS
SELECT
    date_trunc('day', accepted) AS message_day,
    ward,
    contact,
    priority,
    count(*) AS messages,
    count(delivered) AS delivered,
    count(undelivered) AS undelivered,
    count(opened) AS opened,
    count(answered) AS answered,
    count(coalesce(opened, answered)) AS reached,
    1.0 * count(coalesce(opened, answered)) / count(*) AS reached_share,
    1.0 * count(answered) / count(*) AS answered_share,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY to_answer_s) AS p50_s,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY to_answer_s) AS p90_s,
    max(to_answer_s) AS max_s,
    sum(CASE WHEN not_actionable THEN 1 ELSE 0 END) AS not_actionable
FROM messages_to_people
WHERE kind = 'alarm'
GROUP BY date_trunc('day', accepted), ward, contact, priority;
