-- One row per incident: a patient's alarms as one call to a person. `ended` is the time at which the last of its alarms
-- ended, NULL while one goes on; `problems` are all that any of its calls named, and `to_acknowledge_s` runs from its first
-- event to the first acknowledgement of any of its alarms.
CREATE VIEW incidents AS
SELECT
    incident,
    max(patient) AS patient,
    max(ward) AS ward,
    max(bed) AS bed,
    min(log_t) AS opened,
    CASE
        WHEN count(DISTINCT id) = count(DISTINCT CASE WHEN phase = 'end' THEN id END) THEN max(log_t)
    END AS ended,
    max(priority) AS highest_priority,
    count(DISTINCT id) AS alarms,
    sum(CASE WHEN call = 'page' THEN 1 ELSE 0 END) AS calls,
    sum(CASE WHEN call = 'handover' THEN 1 ELSE 0 END) AS handovers,
    sum(CASE WHEN call = 'reminder' THEN 1 ELSE 0 END) AS reminders,
    extract(epoch FROM
        min(CASE WHEN inactivation = 'acknowledged' THEN log_t END) - min(log_t)
    ) AS to_acknowledge_s,
    trim(
        max(CASE WHEN strpos(problems, '"rate-low"') > 0 THEN 'rate-low ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"rate-high"') > 0 THEN 'rate-high ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"breathing-low"') > 0 THEN 'breathing-low ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"breathing-high"') > 0 THEN 'breathing-high ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"oxygen-low"') > 0 THEN 'oxygen-low ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"oxygen-high"') > 0 THEN 'oxygen-high ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"pressure-low"') > 0 THEN 'pressure-low ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"pressure-high"') > 0 THEN 'pressure-high ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"diastolic-low"') > 0 THEN 'diastolic-low ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"diastolic-high"') > 0 THEN 'diastolic-high ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"temperature-low"') > 0 THEN 'temperature-low ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"temperature-high"') > 0 THEN 'temperature-high ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"circulation"') > 0 THEN 'circulation ' ELSE '' END) ||
        max(CASE WHEN strpos(problems, '"score"') > 0 THEN 'score ' ELSE '' END)
    ) AS problems
FROM alarms
WHERE incident <> '' AND coalesce(patient, '') NOT LIKE 'canary-%'
GROUP BY incident;
