-- One row per refusal: who told of it, where it came from, why. What was refused stays in the log's topic for 30 days.
CREATE TABLE IF NOT EXISTS refused (
    reported_by varchar(512),
    place varchar(65535),
    reason varchar(65535),
    t timestamp NOT NULL,
    log_t timestamp NOT NULL,
    readings bigint,
    payload_bytes bigint,
    source_partition bigint NOT NULL,
    source_offset bigint NOT NULL,
    PRIMARY KEY (source_partition, source_offset)
) /*redshift DISTSTYLE EVEN SORTKEY (t) */;
