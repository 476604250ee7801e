-- Brings valid_from and valid_to of patients up to date. A version that gave the patient a bed is in force since the
-- patient had it; any other since it was recorded.
UPDATE patients
SET valid_from = history.begins, valid_to = history.ends
FROM (
    SELECT
        patient,
        version,
        begins,
        coalesce(lead(begins) OVER (PARTITION BY patient ORDER BY version), discharged) AS ends
    FROM (
        SELECT
            patient,
            version,
            discharged,
            CASE
                WHEN discharged IS NOT NULL THEN discharged
                WHEN lag(since) OVER (PARTITION BY patient ORDER BY version) = since THEN log_t
                ELSE since
            END AS begins
        FROM patients
    ) AS versions
) AS history
WHERE patients.patient = history.patient
    AND patients.version = history.version
    AND (
        patients.valid_from IS NULL
        OR patients.valid_from <> history.begins
        OR coalesce(patients.valid_to, timestamp '1970-01-01') <> coalesce(history.ends, timestamp '1970-01-01')
    );
