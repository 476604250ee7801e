-- One row per message to one person: which alarm event it told of, and when SNS accepted it. A message that no channel
-- took has a row without `sns`, and one more when SNS took it at last. What became of a message is a further row, with the
-- state and its time in `accepted`: delivered or failed (SMS alone), opened, answered. Rows of earlier versions have none.
-- `kind` is `courtesy` for a copy that counts as no notification, `proof` for the request at the begin of a duty, else empty.
CREATE TABLE IF NOT EXISTS notifications (
    alarm varchar(1024) NOT NULL,
    n bigint NOT NULL,
    patient varchar(512),
    contact varchar(512) NOT NULL,
    handover bigint NOT NULL,
    channels varchar(512),
    sns varchar(512),
    t timestamp NOT NULL,
    accepted timestamp NOT NULL,
    sms varchar(65535),
    merged varchar(65535),
    error varchar(65535),
    source_partition bigint NOT NULL,
    source_offset bigint NOT NULL,
    state varchar(512),
    queued timestamp,
    priority bigint,
    ward varchar(512),
    kind varchar(64),
    recipients varchar(65535),
    PRIMARY KEY (alarm, n, contact, accepted, handover)
) /*redshift DISTKEY (patient) SORTKEY (t) */;
