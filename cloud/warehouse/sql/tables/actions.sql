-- One row per action of a person: acknowledge, audio-pause, chart.
CREATE TABLE IF NOT EXISTS actions (
    id varchar(512) NOT NULL,
    act varchar(64),
    patient varchar(512),
    t timestamp NOT NULL,
    acted_by varchar(512),
    alarm varchar(1024),
    pause_s bigint,
    oxygen boolean,
    consciousness varchar(8),
    log_t timestamp,
    source_partition bigint NOT NULL,
    source_offset bigint NOT NULL,
    incident varchar(1024),
    shown_ms bigint,
    bed varchar(512),
    PRIMARY KEY (id)
) /*redshift DISTKEY (patient) SORTKEY (t) */;
