-- From an alarm's event to the acceptance of its message, by day, ward, person and priority, in seconds.
CREATE VIEW message_latency AS
SELECT
    date_trunc('day', accepted) AS message_day,
    ward,
    contact,
    priority,
    count(*) AS messages,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_s) AS p50_s,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_s) AS p99_s,
    max(latency_s) AS max_s
FROM messages_to_people
WHERE kind = 'alarm'
GROUP BY date_trunc('day', accepted), ward, contact, priority;
