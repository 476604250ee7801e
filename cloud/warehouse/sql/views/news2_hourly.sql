-- NEWS2 of the newest reading of every patient and hour, with oxygen and consciousness as last charted (consciousness
-- for 6 hours). `total` is of what was measured; where not `complete`, it may be too low. Not for paediatric profiles.
CREATE VIEW news2_hourly AS
SELECT
    reading_hour,
    patient,
    ward,
    t,
    rr_score + spo2_score + sbp_score + pulse_score + temp_score + oxygen_score + mind_score AS total,
    greatest(rr_score, spo2_score, sbp_score, pulse_score, temp_score, mind_score) AS largest,
    complete
FROM (
    SELECT
        reading_hour,
        patient,
        ward,
        t,
        CASE WHEN mod(news2, 8) = 7 THEN 0 ELSE mod(news2, 8) END AS rr_score,
        CASE WHEN spo2_digit = 7 THEN 0 ELSE spo2_digit END AS spo2_score,
        CASE WHEN mod(news2 / 4096, 8) = 7 THEN 0 ELSE mod(news2 / 4096, 8) END AS sbp_score,
        CASE WHEN mod(news2 / 32768, 8) = 7 THEN 0 ELSE mod(news2 / 32768, 8) END AS pulse_score,
        CASE WHEN mod(news2 / 262144, 8) = 7 THEN 0 ELSE mod(news2 / 262144, 8) END AS temp_score,
        CASE WHEN breathes_oxygen THEN 2 ELSE 0 END AS oxygen_score,
        CASE WHEN mind IN ('C', 'V', 'P', 'U') THEN 3 ELSE 0 END AS mind_score,
        mod(news2, 8) < 7 AND spo2_digit < 7 AND mod(news2 / 4096, 8) < 7 AND mod(news2 / 32768, 8) < 7
            AND mod(news2 / 262144, 8) < 7 AND mind IS NOT NULL AS complete
    FROM (
        SELECT
            hourly.*,
            CASE
                WHEN NOT coalesce(stays.scale2, false) THEN mod(hourly.news2 / 8, 8)
                WHEN coalesce(gas.oxygen, stays.oxygen, false) THEN mod(hourly.news2 / 512, 8)
                ELSE mod(hourly.news2 / 64, 8)
            END AS spo2_digit,
            coalesce(gas.oxygen, stays.oxygen, false) AS breathes_oxygen,
            charts.consciousness AS mind
        FROM (
            SELECT
                date_trunc('hour', t) AS reading_hour,
                patient,
                ward,
                t,
                news2,
                row_number() OVER (PARTITION BY patient, date_trunc('hour', t) ORDER BY t DESC) AS newest
            FROM vitals
            WHERE patient IS NOT NULL AND limits IN ('adult', 'copd', 'home') AND news2 IS NOT NULL
        ) AS hourly
        LEFT JOIN patients AS stays
            ON stays.patient = hourly.patient
            AND stays.valid_from <= hourly.t
            AND (stays.valid_to IS NULL OR hourly.t < stays.valid_to)
        LEFT JOIN (
            SELECT patient, t, oxygen, lead(t) OVER (PARTITION BY patient ORDER BY t, id) AS next_t
            FROM actions
            WHERE act = 'chart' AND oxygen IS NOT NULL
        ) AS gas
            ON gas.patient = hourly.patient
            AND gas.t <= hourly.t
            AND (gas.next_t IS NULL OR hourly.t < gas.next_t)
        LEFT JOIN (
            SELECT patient, t, consciousness, lead(t) OVER (PARTITION BY patient ORDER BY t, id) AS next_t
            FROM actions
            WHERE act = 'chart' AND consciousness IS NOT NULL
        ) AS charts
            ON charts.patient = hourly.patient
            AND charts.t <= hourly.t
            AND (charts.next_t IS NULL OR hourly.t < charts.next_t)
            AND hourly.t < charts.t + interval '6 hours'
        WHERE hourly.newest = 1
    ) AS known
) AS scored;
