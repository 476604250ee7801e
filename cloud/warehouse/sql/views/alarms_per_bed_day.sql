-- Alarms about patients by ward and day, and how many that makes for one occupied bed and 24 hours. Days without any
-- alarm have no row.
CREATE VIEW alarms_per_bed_day AS
SELECT
    days.alarm_day,
    days.ward,
    days.alarms,
    days.high,
    days.medium,
    days.low,
    sum(extract(epoch FROM
        least(coalesce(stays.ends, getdate()), getdate(), days.alarm_day + interval '1 day')
        - greatest(stays.begins, days.alarm_day)
    )) / 86400.0 AS bed_days,
    days.alarms / nullif(sum(extract(epoch FROM
        least(coalesce(stays.ends, getdate()), getdate(), days.alarm_day + interval '1 day')
        - greatest(stays.begins, days.alarm_day)
    )) / 86400.0, 0) AS alarms_per_bed_and_day
FROM (
    SELECT
        date_trunc('day', started) AS alarm_day,
        ward,
        count(*) AS alarms,
        sum(CASE WHEN highest_priority = 3 THEN 1 ELSE 0 END) AS high,
        sum(CASE WHEN highest_priority = 2 THEN 1 ELSE 0 END) AS medium,
        sum(CASE WHEN highest_priority = 1 THEN 1 ELSE 0 END) AS low
    FROM alarm_timeline
    WHERE kind = 'physiological'
    GROUP BY date_trunc('day', started), ward
) AS days
LEFT JOIN bed_history AS stays
    ON stays.ward = days.ward
    AND stays.begins < days.alarm_day + interval '1 day'
    AND (stays.ends IS NULL OR stays.ends > days.alarm_day)
GROUP BY days.alarm_day, days.ward, days.alarms, days.high, days.medium, days.low;
