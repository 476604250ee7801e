-- One row per incident that a person has marked as not actionable, with its first mark. A mark names one alarm and means its
-- incident; an alarm without one stands for itself.
CREATE VIEW not_actionable_marks AS
SELECT
    incident,
    patient,
    marked,
    marked_by
FROM (
    SELECT
        coalesce(members.incident, marks.alarm) AS incident,
        marks.patient,
        marks.t AS marked,
        marks.acted_by AS marked_by,
        row_number() OVER (PARTITION BY coalesce(members.incident, marks.alarm) ORDER BY marks.t, marks.id) AS place
    FROM actions AS marks
    LEFT JOIN (SELECT id, max(incident) AS incident FROM alarms WHERE incident <> '' GROUP BY id) AS members
        ON members.id = marks.alarm
    WHERE marks.act = 'not-actionable'
) AS firsts
WHERE place = 1;
