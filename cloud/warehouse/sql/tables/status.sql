-- One row per status of a gateway, bridge or notifier that was kept: about one a minute each, and every change of health.
-- `offset_ms` is the largest difference of a device's clock from its gateway's, `offset_device` whose it is; `unheard`
-- lists devices (of a bridge: gateways) that are silent or offline.
CREATE TABLE IF NOT EXISTS status (
    id varchar(512) NOT NULL,
    kind varchar(64),
    health varchar(64),
    t timestamp NOT NULL,
    log_t timestamp NOT NULL,
    version varchar(512),
    outbox varchar(512),
    backlog bigint,
    backlog_bytes bigint,
    backlog_since timestamp,
    accepted bigint,
    rejected bigint,
    clock_synchronised boolean,
    devices bigint,
    unheard varchar(65535),
    offset_device varchar(512),
    offset_ms bigint,
    alarms bigint,
    slots varchar(512),
    source_partition bigint NOT NULL,
    source_offset bigint NOT NULL,
    PRIMARY KEY (id, log_t)
) /*redshift DISTKEY (id) SORTKEY (log_t) */;
