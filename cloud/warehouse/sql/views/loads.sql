-- What came into the warehouse, by day and topic: rows archived and loaded, repeats left out, records that could not be
-- read, offsets lost before they were archived, and the newest load.
CREATE VIEW loads AS
SELECT
    date_trunc('day', loaded_at) AS load_day,
    topic,
    count(*) AS manifests,
    sum(archived_rows) AS archived,
    sum(loaded_rows) AS loaded,
    sum(coalesce(rejected, 0)) AS rejected,
    sum(coalesce(lost, 0)) AS lost,
    max(loaded_at) AS newest
FROM load_log
GROUP BY date_trunc('day', loaded_at), topic;
