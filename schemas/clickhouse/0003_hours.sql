-- Roll-up of messages by the hour they were accepted in: recomputed by the recorder for hours that changed, never
-- incremented; the newest version of a cell wins. A cell that has become empty (a message moved to another connector) is
-- written as zeroes.
CREATE TABLE IF NOT EXISTS sms.hour_stats
(
    hour         DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    account_id   LowCardinality(String),
    connector_id LowCardinality(String),
    country      LowCardinality(String),
    sender       LowCardinality(String),
    messages     UInt64                   CODEC(ZSTD(1)),
    segments     UInt64                   CODEC(ZSTD(1)),
    submitted    UInt64                   CODEC(ZSTD(1)),
    delivered    UInt64                   CODEC(ZSTD(1)),
    failed       UInt64                   CODEC(ZSTD(1)),
    pending      UInt64                   CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, account_id, connector_id, country, sender)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
