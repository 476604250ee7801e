-- What could not be used, by hour, who told of it and why: refusals, the readings in them where they could be counted.
CREATE VIEW refusals_hourly AS
SELECT
    date_trunc('hour', t) AS refused_hour,
    reported_by,
    reason,
    count(*) AS refusals,
    sum(coalesce(readings, 0)) AS readings,
    max(place) AS place,
    max(t) AS newest
FROM refused
GROUP BY date_trunc('hour', t), reported_by, reason;
