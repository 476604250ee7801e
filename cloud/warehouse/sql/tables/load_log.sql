-- What is loaded: one row per manifest, written in the transaction that loads it. `rejected` counts records that the
-- archive could not read, `lost` offsets that the log had deleted before they were archived.
CREATE TABLE IF NOT EXISTS load_log (
    topic varchar(256) NOT NULL,
    manifest varchar(512) NOT NULL,
    offsets varchar(65535) NOT NULL,
    archived_rows bigint NOT NULL,
    loaded_rows bigint NOT NULL,
    loaded_at timestamp NOT NULL,
    rejected bigint,
    lost bigint,
    PRIMARY KEY (topic, manifest)
) /*redshift DISTSTYLE ALL SORTKEY (topic, manifest) */;
