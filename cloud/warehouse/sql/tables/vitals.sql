-- One row per reading. Signs come last, one column each, from vitals.signs.
CREATE TABLE IF NOT EXISTS vitals (
    patient varchar(512),
    device varchar(512) NOT NULL,
    gateway varchar(512),
    ward varchar(512),
    bed varchar(512),
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    t timestamp NOT NULL,
    t_gw timestamp NOT NULL,
    log_t timestamp NOT NULL,
    roster bigint,
    suspect bigint,
    limits varchar(512),
    limit_set varchar(65535),
    breach bigint,
    news2 bigint,
    source_partition bigint NOT NULL,
    source_offset bigint NOT NULL,
    {each: SIGN double precision},
    PRIMARY KEY (device, boot, seq)
) /*redshift DISTKEY (patient) COMPOUND SORTKEY (t, patient) */;
-- Rows come nearly in order of time: ranges of blocks tell as much as a tree, at a hundredth of its cost to a load.
/*postgresql CREATE INDEX IF NOT EXISTS vitals_t_blocks ON vitals USING brin (t) WITH (pages_per_range = 32) */;
