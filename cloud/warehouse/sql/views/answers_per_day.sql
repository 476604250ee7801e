-- Of the calls of each day, ward and highest priority: the share that a person answered, the seconds until then, and how
-- many were handed over or marked as not actionable. The ward is that of the first call.
CREATE VIEW answers_per_day AS
SELECT
    date_trunc('day', called) AS call_day,
    ward,
    highest_priority,
    count(*) AS calls,
    count(answered) AS answered,
    1.0 * count(answered) / count(*) AS answered_share,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY to_answer_s) AS p50_s,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY to_answer_s) AS p90_s,
    max(to_answer_s) AS max_s,
    sum(CASE WHEN handovers > 0 THEN 1 ELSE 0 END) AS handed_over,
    count(marked) AS not_actionable,
    1.0 * count(marked) / count(*) AS not_actionable_share
FROM call_answers
GROUP BY date_trunc('day', called), ward, highest_priority;
