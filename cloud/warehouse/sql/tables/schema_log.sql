-- Which version of these tables and views was made, the newest last.
CREATE TABLE IF NOT EXISTS schema_log (
    digest varchar(64) NOT NULL,
    made_at timestamp NOT NULL
) /*redshift DISTSTYLE ALL */;
