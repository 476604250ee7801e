-- Floods of EEMUA 191: a person with ten messages or more in ten minutes, wherever these begin. Floods that overlap are one;
-- `begins` and `ends` are the times of its first and last message.
CREATE VIEW message_floods AS
SELECT
    contact,
    min(begins) AS begins,
    max(accepted) AS ends,
    max(place) - min(place) + 10 AS messages
FROM (
    SELECT
        contact,
        place,
        begins,
        accepted,
        sum(CASE WHEN begins <= former THEN 0 ELSE 1 END) OVER (
            PARTITION BY contact ORDER BY place ROWS UNBOUNDED PRECEDING
        ) AS flood
    FROM (
        SELECT
            contact,
            place,
            begins,
            accepted,
            lag(accepted) OVER (PARTITION BY contact ORDER BY place) AS former
        FROM (
            SELECT
                contact,
                accepted,
                lag(accepted, 9) OVER (PARTITION BY contact ORDER BY accepted, message) AS begins,
                row_number() OVER (PARTITION BY contact ORDER BY accepted, message) AS place
            FROM messages_to_people
        ) AS numbered
        WHERE accepted <= begins + interval '10 minutes'
    ) AS tenths
) AS counted
GROUP BY contact, flood;
