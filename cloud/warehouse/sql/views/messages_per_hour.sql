-- Messages of every kind to each person by hour and ward, and to the person from all wards together. `other_kinds` are
-- courtesy copies and requests for a proof. EEMUA 191 has one in ten minutes, so six an hour. An hour without a message has
-- no row: a mean over rows is not one over a duty.
CREATE VIEW messages_per_hour AS
SELECT
    message_hour,
    contact,
    ward,
    messages,
    other_kinds,
    sum(messages) OVER (PARTITION BY contact, message_hour) AS of_person,
    sum(messages) OVER (PARTITION BY contact, message_hour) > 6 AS over_target
FROM (
    SELECT
        date_trunc('hour', accepted) AS message_hour,
        contact,
        ward,
        count(*) AS messages,
        sum(CASE WHEN kind = 'alarm' THEN 0 ELSE 1 END) AS other_kinds
    FROM messages_to_people
    GROUP BY date_trunc('hour', accepted), contact, ward
) AS hours;
