-- Alarms of the last 24 hours as they stand: the newest event of each, with the value and the threshold that it crossed.
CREATE VIEW latest_alerts AS
SELECT
    id,
    patient,
    ward,
    bed,
    device,
    condition,
    kind,
    priority,
    phase,
    state,
    inactivation,
    started,
    t,
    value,
    crossed AS threshold,
    message,
    handover
FROM (
    SELECT
        alarms.*,
        row_number() OVER (PARTITION BY id ORDER BY n DESC) AS newest
    FROM alarms
    WHERE t > getdate() - interval '24 hours'
) AS ranked
WHERE newest = 1 AND coalesce(patient, '') NOT LIKE 'canary-%';
