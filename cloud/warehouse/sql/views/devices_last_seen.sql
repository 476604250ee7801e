-- Each device by its readings of the last 7 days: when it was last heard, and how its data comes.
CREATE VIEW devices_last_seen AS
SELECT
    device,
    max(gateway) AS gateway,
    max(ward) AS ward,
    max(bed) AS bed,
    max(t_gw) AS last_heard,
    extract(epoch FROM getdate() - max(t_gw)) AS age_s,
    count(*) AS readings,
    count(DISTINCT boot) AS starts,
    sum(CASE WHEN suspect <> 0 THEN 1 ELSE 0 END) AS suspect
FROM vitals
WHERE t > getdate() - interval '7 days'
GROUP BY device;
