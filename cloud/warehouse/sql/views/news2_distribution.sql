-- How many patient hours had which NEWS2 total, by day and ward; the chart's risk beside it. Complete ones alone mean
-- what the chart means; the others are counted apart.
CREATE VIEW news2_distribution AS
SELECT
    date_trunc('day', reading_hour) AS reading_day,
    ward,
    total,
    CASE
        WHEN total >= 7 THEN 'high'
        WHEN total >= 5 THEN 'medium'
        WHEN largest >= 3 THEN 'low-medium'
        ELSE 'low'
    END AS risk,
    complete,
    count(*) AS patient_hours
FROM news2_hourly
GROUP BY 1, 2, 3, 4, 5;
