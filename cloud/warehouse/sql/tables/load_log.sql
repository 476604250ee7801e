-- What is loaded: one row per manifest, written in the transaction that loads it.
CREATE TABLE IF NOT EXISTS load_log (
    topic varchar(256) NOT NULL,
    manifest varchar(512) NOT NULL,
    offsets varchar(65535) NOT NULL,
    archived_rows bigint NOT NULL,
    loaded_rows bigint NOT NULL,
    loaded_at timestamp NOT NULL,
    PRIMARY KEY (topic, manifest)
) /*redshift DISTSTYLE ALL SORTKEY (topic, manifest) */;
