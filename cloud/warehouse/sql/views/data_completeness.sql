-- Of the readings that a patient's cadence promises for an hour, the share that came; and of those that came, the share
-- with a value of each sign. Hours in which not one reading came have no row.
CREATE VIEW data_completeness AS
SELECT
    hours.reading_hour,
    hours.ward,
    hours.bed,
    hours.patient,
    hours.readings,
    hours.expected,
    CASE WHEN hours.expected > 0 THEN hours.readings / hours.expected END AS share,
    {each: hours.SIGN_share}
FROM (
    SELECT
        date_trunc('hour', vitals.t) AS reading_hour,
        vitals.patient,
        max(vitals.ward) AS ward,
        max(vitals.bed) AS bed,
        count(*) AS readings,
        max(extract(epoch FROM
            least(coalesce(stays.ends, stays.begins + interval '1000 years'), getdate(), date_trunc('hour', vitals.t) + interval '1 hour')
            - greatest(stays.begins, date_trunc('hour', vitals.t))
        ) / stays.cadence_s) AS expected,
        {each: 1.0 * count(vitals.SIGN) / count(*) AS SIGN_share}
    FROM vitals
    LEFT JOIN bed_history AS stays
        ON stays.patient = vitals.patient
        AND stays.begins <= vitals.t
        AND (stays.ends IS NULL OR vitals.t < stays.ends)
    WHERE vitals.patient IS NOT NULL
    GROUP BY date_trunc('hour', vitals.t), vitals.patient
) AS hours;
