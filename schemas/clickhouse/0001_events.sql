-- The event log. `lifecycle.events` values are inserted unparsed into sms.events_raw, whose column names are the fields
-- of schemas/lifecycle_events.py; unknown fields are skipped, absent ones are the column's default. It stores nothing:
-- the materialized views on it fill the tables below. Its words are plain strings, because parsing JSON into
-- LowCardinality costs twice as much as the whole rest of parsing; the views convert block by block.
CREATE TABLE IF NOT EXISTS sms.events_raw
(
    event_id           UUID,
    message_id         UUID,
    segment_index      UInt16,
    attempt            UInt32,
    event              String,
    service            String,
    instance           String,
    connector_id       String,
    reason             String,
    field              String,
    occurred_at_ms     Int64,
    accepted_at_ms     Int64 DEFAULT toInt64(bitShiftRight(toUInt128(message_id), 80)), -- ids carry that time
    account_id         String,
    idempotency_key    String,
    to                 String,
    sender             String,
    country            String,
    lane               String,
    encoding           String,
    segments           UInt16,
    segments_delivered UInt16,
    route_no           UInt16,
    status             String,
    final              Bool,
    smsc_message_id    String,
    smsc_error         String,
    command_status     UInt32,
    latency_ms         Int64,
    deadline_at_ms     Int64,
    detail             String
)
ENGINE = Null;

-- Every event once: the sorting key is the identity of an event, so repeats collapse. Partition and sorting key are
-- functions of the event only, never of the time of the insert: a replay must land where the first copy is. What is the
-- same on all events of a message (account, number, ...) is in sms.message_log; here it is kept only for events that
-- belong to no message. A time of zero is 1970: none.
CREATE TABLE IF NOT EXISTS sms.event_log
(
    message_id      UUID,
    segment_index   UInt16                 CODEC(ZSTD(1)),
    attempt         UInt32                 CODEC(ZSTD(1)),
    event           LowCardinality(String),
    event_id        UUID,
    service         LowCardinality(String),
    instance        LowCardinality(String),
    connector_id    LowCardinality(String),
    route_no        UInt16                 CODEC(ZSTD(1)),
    reason          LowCardinality(String),
    field           LowCardinality(String),
    occurred_at     DateTime64(3, 'UTC')   CODEC(Delta(8), ZSTD(1)),
    accepted_at     DateTime64(3, 'UTC')   CODEC(Delta(8), ZSTD(1)),
    status          LowCardinality(String),
    final           Bool                   CODEC(ZSTD(1)),
    smsc_message_id String                 CODEC(ZSTD(1)),
    smsc_error      LowCardinality(String),
    command_status  UInt32                 CODEC(ZSTD(1)),
    latency_ms      Int64                  CODEC(ZSTD(1)),
    deadline_at     DateTime64(3, 'UTC')   CODEC(Delta(8), ZSTD(1)),
    idempotency_key String                 CODEC(ZSTD(1)),
    account_id      LowCardinality(String),
    to              String                 CODEC(ZSTD(1)),
    sender          LowCardinality(String),
    detail          String                 CODEC(ZSTD(1)),
    recorded_at     DateTime('UTC') DEFAULT now() CODEC(Delta(4), ZSTD(1)),
    INDEX ix_recorded_at recorded_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(if(toUnixTimestamp64Milli(accepted_at) = 0, occurred_at, accepted_at))
ORDER BY (toUInt128(message_id), segment_index, attempt, event, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS sms.event_log_mv TO sms.event_log AS
WITH
    toUUID('00000000-0000-0000-0000-000000000000') AS no_message,
    (ms -> fromUnixTimestamp64Milli(least(greatest(ms, 0), 4102444800000), 'UTC')) AS to_time,  -- 1970 to 2100
    message_id = no_message OR event IN ('duplicate', 'inbound', 'orphan_receipt') AS is_outside
SELECT
    message_id, segment_index, attempt, event, event_id, service, instance, connector_id, route_no, reason, field,
    to_time(occurred_at_ms) AS occurred_at,
    to_time(accepted_at_ms) AS accepted_at,
    status, final, smsc_message_id, smsc_error, command_status, latency_ms,
    to_time(deadline_at_ms) AS deadline_at,
    if(event IN ('accepted', 'rejected', 'duplicate'), idempotency_key, '') AS idempotency_key,
    if(is_outside, account_id, '') AS account_id,
    if(is_outside, to, '') AS to,
    if(is_outside, sender, '') AS sender,
    detail
FROM sms.events_raw;
