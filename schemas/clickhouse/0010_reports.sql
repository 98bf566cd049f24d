-- What named reports (reports/*.sql) read, so that they need not read every message: an index of numbers, and roll-ups of closed hours.

-- What an insert needs of memory is mostly buffers of the tables behind the views, and those grow with the number of
-- views: 23 MiB for one event in place of 9; with smaller buffers it is 12. Blocks of a column are seldom longer.
ALTER TABLE sms.event_log MODIFY SETTING max_compress_block_size = 131072;

ALTER TABLE sms.message_log MODIFY SETTING max_compress_block_size = 131072;

-- Of an id, seven octets tell nothing new beside its neighbours: a quarter less room. What is there follows with merges.
ALTER TABLE sms.event_log MODIFY COLUMN message_id UUID CODEC(ZSTD(1)), MODIFY COLUMN event_id UUID CODEC(ZSTD(1));

ALTER TABLE sms.message_log MODIFY COLUMN message_id UUID CODEC(ZSTD(1));

-- When events of the messages of an hour were first and last recorded. The recorder finds here what it has to roll up.
-- first_at 1970: there were messages of the hour before this table.
CREATE TABLE IF NOT EXISTS sms.hour_touched
(
    hour       DateTime('UTC'),
    first_at   SimpleAggregateFunction(min, DateTime('UTC')),
    touched_at SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY hour
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, max_compress_block_size = 131072;

CREATE MATERIALIZED VIEW IF NOT EXISTS sms.hour_touched_mv TO sms.hour_touched AS
SELECT
    toStartOfHour(fromUnixTimestamp64Milli(least(accepted_at_ms, 4102444800000), 'UTC')) AS hour,
    min(now('UTC')) AS first_at,
    max(now('UTC')) AS touched_at
FROM sms.events_raw
WHERE accepted_at_ms > 0 AND message_id != '00000000-0000-0000-0000-000000000000'
  AND message_id != '00000000-0000-0000-0000-000000000001'
GROUP BY hour;

-- Of which hours there is a roll-up since when. is_closed: of an hour that is over, and with everything below; of an
-- open hour only sms.hour_stats is kept up to date.
CREATE TABLE IF NOT EXISTS sms.hour_rolled
(
    hour      DateTime('UTC'),
    is_closed Bool,
    rolled_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(rolled_at)
ORDER BY (hour, is_closed)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Number -> the times at which its messages were accepted. Times lead to messages: sms.message_log is sorted by ids, and
-- those begin with the time. That takes a third of the room of the ids themselves.
CREATE TABLE IF NOT EXISTS sms.number_log
(
    to          String               CODEC(ZSTD(1)),
    accepted_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(accepted_at)
ORDER BY (to, accepted_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, max_compress_block_size = 131072;

CREATE MATERIALIZED VIEW IF NOT EXISTS sms.number_log_mv TO sms.number_log AS
SELECT to, fromUnixTimestamp64Milli(least(accepted_at_ms, 4102444800000), 'UTC') AS accepted_at
FROM sms.events_raw
WHERE to != '' AND event IN ('accepted', 'rejected') AND accepted_at_ms > 0
  AND message_id != '00000000-0000-0000-0000-000000000000';

-- What was recorded before: the hours now (of 10^8 messages one column is read, some seconds), their roll-ups and their
-- numbers by and by: the recorder takes an hour at a time, between batches of events.
INSERT INTO sms.hour_touched (hour, first_at, touched_at)
SELECT DISTINCT toStartOfHour(accepted_at), toDateTime(0, 'UTC'), toDateTime(0, 'UTC')
FROM sms.message_log WHERE toUnixTimestamp64Milli(accepted_at) > 0;

-- Hours whose numbers are not in sms.number_log yet. An hour that was rolled up has them there.
CREATE OR REPLACE VIEW sms.unnumbered_hours AS
SELECT hour FROM sms.hour_touched
GROUP BY hour
HAVING toUnixTimestamp(min(first_at)) = 0 AND hour NOT IN (SELECT hour FROM sms.hour_rolled);

ALTER TABLE sms.hour_stats ADD COLUMN IF NOT EXISTS rejected UInt64 CODEC(ZSTD(1)) AFTER pending;

ALTER TABLE sms.hour_stats ADD COLUMN IF NOT EXISTS unknown UInt64 CODEC(ZSTD(1)) AFTER rejected;

-- As before (0004), and what of `failed` was rejected, and what has an end that nobody knows.
CREATE OR REPLACE VIEW sms.stats_1h AS
SELECT
    hour, account_id, connector_id, country, sender, messages, segments, submitted, delivered, failed, pending,
    rejected, unknown, refreshed_at
FROM sms.hour_stats FINAL
WHERE messages > 0;

-- Roll-ups of closed hours. As of sms.hour_stats: recomputed from the messages, the newest version of a cell wins.

-- latency: a sketch of sms.message_state.latency_ms whose quantiles are within 1 % of the true ones.
CREATE TABLE IF NOT EXISTS sms.hour_latency
(
    hour         DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    account_id   LowCardinality(String),
    connector_id LowCardinality(String),
    country      LowCardinality(String),
    delivered    UInt64                   CODEC(ZSTD(1)),
    latency      AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, account_id, connector_id, country)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS sms.hour_ends
(
    hour         DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    account_id   LowCardinality(String),
    connector_id LowCardinality(String),
    country      LowCardinality(String),
    status       LowCardinality(String),
    reason       LowCardinality(String),
    smsc_error   LowCardinality(String),
    messages     UInt64                   CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, account_id, connector_id, country, status, reason, smsc_error)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- segments: of one message; 0 where it was refused before anybody counted.
CREATE TABLE IF NOT EXISTS sms.hour_segments
(
    hour         DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    account_id   LowCardinality(String),
    connector_id LowCardinality(String),
    country      LowCardinality(String),
    encoding     LowCardinality(String),
    segments     UInt16                   CODEC(ZSTD(1)),
    messages     UInt64                   CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, account_id, connector_id, country, encoding, segments)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS sms.hour_campaigns
(
    hour         DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    campaign_id  String                   CODEC(ZSTD(1)),
    account_id   LowCardinality(String),
    connector_id LowCardinality(String),
    country      LowCardinality(String),
    messages     UInt64                   CODEC(ZSTD(1)),
    segments     UInt64                   CODEC(ZSTD(1)),
    submitted    UInt64                   CODEC(ZSTD(1)),
    delivered    UInt64                   CODEC(ZSTD(1)),
    failed       UInt64                   CODEC(ZSTD(1)),
    pending      UInt64                   CODEC(ZSTD(1)),
    rejected     UInt64                   CODEC(ZSTD(1)),
    unknown      UInt64                   CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (campaign_id, hour, account_id, connector_id, country)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS sms.minute_stats
(
    minute       DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    account_id   LowCardinality(String),
    connector_id LowCardinality(String),
    country      LowCardinality(String),
    messages     UInt64                   CODEC(ZSTD(1)),
    segments     UInt64                   CODEC(ZSTD(1)),
    submitted    UInt64                   CODEC(ZSTD(1)),
    delivered    UInt64                   CODEC(ZSTD(1)),
    refreshed_at DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, account_id, connector_id, country)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Segments that had no receipt when their hour was rolled up, as in sms.missing_receipts; is_missing false: one came since.
CREATE TABLE IF NOT EXISTS sms.hour_missing
(
    hour          DateTime('UTC')          CODEC(Delta(4), ZSTD(1)),
    message_id    UUID,
    segment_index UInt16                   CODEC(ZSTD(1)),
    account_id    LowCardinality(String),
    connector_id  LowCardinality(String),
    country       LowCardinality(String),
    status        LowCardinality(String),
    submitted_at  DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1)),
    deadline_at   DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1)),
    is_missing    Bool                     CODEC(ZSTD(1)),
    refreshed_at  DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, toUInt128(message_id), segment_index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The hours of a span that reports take from the roll-ups: closed, rolled up, and whole within it (epoch seconds; a span
-- ends before until_s).
CREATE OR REPLACE VIEW sms.rolled_hours AS
SELECT DISTINCT hour FROM sms.hour_rolled
WHERE is_closed AND toUnixTimestamp(hour) >= {since_s:Int64} AND toUnixTimestamp(hour) + 3600 <= {until_s:Int64};

-- The others, whose messages are read.
CREATE OR REPLACE VIEW sms.live_hours AS
SELECT DISTINCT hour FROM sms.hour_touched
WHERE toUnixTimestamp(hour) + 3600 > {since_s:Int64} AND toUnixTimestamp(hour) < {until_s:Int64}
  AND hour NOT IN
  (
    SELECT hour FROM sms.hour_rolled
    WHERE is_closed AND toUnixTimestamp(hour) >= {since_s:Int64} AND toUnixTimestamp(hour) + 3600 <= {until_s:Int64}
  );

-- Events are found by time too, and open messages without reading those that have ended.
ALTER TABLE sms.event_log ADD INDEX IF NOT EXISTS ix_accepted_at accepted_at TYPE minmax GRANULARITY 1;

ALTER TABLE sms.message_log ADD INDEX IF NOT EXISTS ix_status_key status_key TYPE minmax GRANULARITY 1;

-- As before (0006), and accepted_at: who asks for a time reads the events of that time only.
CREATE OR REPLACE VIEW sms.segment_state AS
SELECT
    message_id, segment_index,
    last_attempt AS attempt,
    last_connector AS connector_id,
    last_smsc_message_id AS smsc_message_id,
    multiIf(is_done, end_status, is_submitted, 'submitted', 'queued') AS status,
    if(is_submitted, last_submitted_at, NULL) AS submitted_at,
    if(is_done, last_end_at, NULL) AS done_at,
    accepted_at
FROM
(
    WITH event IN ('receipt', 'receipt_missing', 'outcome_unknown', 'submit_failed') AS is_end
    SELECT
        message_id, segment_index, accepted_at,
        max(attempt) AS last_attempt,
        argMaxIf(connector_id, (route_no, occurred_at), connector_id != '' AND NOT endsWith(event, 'receipt'))
            AS last_connector,
        argMaxIf(smsc_message_id, (occurred_at, attempt), event = 'submitted') AS last_smsc_message_id,
        countIf(event = 'submitted') > 0 AS is_submitted,
        maxIf(occurred_at, event = 'submitted') AS last_submitted_at,
        maxIf(occurred_at, is_end) AS last_end_at,
        countIf(is_end) > 0 AND last_end_at >= last_submitted_at AS is_done,
        argMaxIf(multiIf(event = 'receipt', status,
                         event != 'submit_failed', event,
                         reason = 'validity_passed', 'expired', 'undeliverable'),
                 (occurred_at, attempt, event), is_end) AS end_status
    FROM sms.event_log
    WHERE segment_index > 0
    GROUP BY message_id, segment_index, accepted_at
);

-- As before (0004), and accepted_at.
CREATE OR REPLACE VIEW sms.missing_receipts AS
SELECT
    message_id, segment_index, last_connector AS connector_id, last_submitted_at AS submitted_at,
    last_deadline_at AS deadline_at, accepted_at
FROM
(
    SELECT
        message_id, segment_index, accepted_at,
        argMaxIf(connector_id, occurred_at, event = 'submitted') AS last_connector,
        maxIf(occurred_at, event = 'submitted') AS last_submitted_at,
        maxIf(deadline_at, event = 'submitted') AS last_deadline_at
    FROM sms.event_log
    WHERE segment_index > 0 AND event IN ('submitted', 'receipt', 'late_receipt')
    GROUP BY message_id, segment_index, accepted_at
    HAVING toUnixTimestamp64Milli(last_deadline_at) > 0 AND countIf(event != 'submitted') = 0
);
