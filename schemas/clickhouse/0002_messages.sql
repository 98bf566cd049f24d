-- One row per message, whatever order its events come in and however often: every column is a max (or min) over a total
-- order, so repeats change nothing. Scalars and packed strings only: subcolumns of a Tuple read wrong under FINAL.
--   route_key   route_no as one character (from the space on), connector_id: the connector of the last route
--   last_key    time of the last event in ms * 256 + place of its word in the list below
--   status_key  '1' if final else '0', 13 digits of ms, status|reason|smsc_error: a final status wins, then the latest
--   submitted_ms  time of the first event `submitted`; 4102444800000 (the year 2100) = never: a sane time, because clients
--               convert also what a NULL hides
--   late_key    13 digits of ms, the status of the latest late receipt
CREATE TABLE IF NOT EXISTS sms.message_log
(
    message_id         UUID,
    accepted_at        DateTime64(3, 'UTC')                                 CODEC(Delta(8), ZSTD(1)),
    account_id         SimpleAggregateFunction(max, LowCardinality(String)),
    to                 SimpleAggregateFunction(max, String)                 CODEC(ZSTD(1)),
    sender             SimpleAggregateFunction(max, LowCardinality(String)),
    country            SimpleAggregateFunction(max, LowCardinality(String)),
    lane               SimpleAggregateFunction(max, LowCardinality(String)),
    encoding           SimpleAggregateFunction(max, LowCardinality(String)),
    segments           SimpleAggregateFunction(max, UInt16)                 CODEC(ZSTD(1)),
    segments_delivered SimpleAggregateFunction(max, UInt16)                 CODEC(ZSTD(1)),
    attempts           SimpleAggregateFunction(max, UInt32)                 CODEC(ZSTD(1)),
    submitted_ms       SimpleAggregateFunction(min, Int64)                  CODEC(Delta(8), ZSTD(1)),
    route_key          SimpleAggregateFunction(max, LowCardinality(String)),
    last_key           SimpleAggregateFunction(max, UInt64)                 CODEC(Delta(8), ZSTD(1)),
    status_key         SimpleAggregateFunction(max, String)                 CODEC(ZSTD(1)),
    late_key           SimpleAggregateFunction(max, String)                 CODEC(ZSTD(1)),
    INDEX ix_accepted_at accepted_at TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(accepted_at)
ORDER BY toUInt128(message_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The words are in life order: of two events in one millisecond the later word is the last event. The same list stands
-- in the view sms.message_state; it is that of schemas/lifecycle_events.py (a test compares). New words go to its end.
CREATE MATERIALIZED VIEW IF NOT EXISTS sms.message_log_mv TO sms.message_log AS
WITH
    toUUID('00000000-0000-0000-0000-000000000000') AS no_message,
    least(greatest(occurred_at_ms, 0), 9999999999999) AS at_ms,
    leftPad(toString(at_ms), 13, '0') AS at_digits,
    indexOf(
        ['accepted', 'rejected', 'duplicate', 'rerouted', 'encoded', 'queued', 'dispatched', 'submitted', 'throttled',
         'temporary_error', 'not_sent', 'retry_scheduled', 'submit_failed', 'outcome_unknown', 'late_response',
         'receipt', 'intermediate_receipt', 'late_receipt', 'orphan_receipt', 'receipt_missing', 'status', 'inbound',
         'config_applied', 'bind_up', 'bind_down', 'bind_refused', 'service_started', 'service_stopped'],
        event) AS word_code
SELECT
    message_id,
    fromUnixTimestamp64Milli(least(greatest(max(accepted_at_ms), 0), 4102444800000), 'UTC') AS accepted_at,
    max(account_id) AS account_id,
    max(to) AS to,
    max(sender) AS sender,
    max(country) AS country,
    max(lane) AS lane,
    max(encoding) AS encoding,
    max(segments) AS segments,
    max(segments_delivered) AS segments_delivered,
    max(attempt) AS attempts,
    min(if(event = 'submitted', at_ms, 4102444800000)) AS submitted_ms,
    max(if(connector_id = '' OR event IN ('receipt', 'intermediate_receipt', 'late_receipt'),  -- may be another bind's
           '', concat(char(32 + least(route_no, 90)), connector_id))) AS route_key,
    max(bitOr(bitShiftLeft(toUInt64(at_ms), 8), toUInt64(word_code))) AS last_key,
    max(if(event IN ('status', 'rejected'),
           concat(if(final OR event = 'rejected', '1', '0'), at_digits, if(status = '', event, status), '|', reason,
                  '|', smsc_error),
           '')) AS status_key,
    max(if(event = 'late_receipt', concat(at_digits, status), '')) AS late_key
FROM sms.events_raw
WHERE message_id != no_message AND event NOT IN ('duplicate', 'inbound', 'orphan_receipt')
GROUP BY message_id;
