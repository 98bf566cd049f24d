-- The views that analysts may rely on. Everything behind them may change.

CREATE OR REPLACE VIEW sms.events AS
SELECT
    event_id, message_id, segment_index, attempt, event, service, instance, connector_id, route_no, reason, field,
    occurred_at, accepted_at, status, final, smsc_message_id, smsc_error, command_status, latency_ms,
    nullIf(deadline_at, toDateTime64(0, 3, 'UTC')) AS deadline_at,
    idempotency_key, account_id, to, sender, detail, recorded_at
FROM sms.event_log FINAL;

-- status: of the final `status` event, else of the latest one, else (where the receipt asked for shows no steps) what
-- the other events tell: accepted, queued (on its way to the SMSC), submitted (a segment was accepted by the SMSC).
-- latency_ms: from the first accepted segment to the final status, of delivered messages.
CREATE OR REPLACE VIEW sms.message_state AS
WITH
    submitted_ms != 4102444800000 AS is_submitted,
    startsWith(status_key, '1') AS is_final,
    splitByChar('|', substring(status_key, 15)) AS parts,
    toInt64OrZero(substring(status_key, 2, 13)) AS status_ms,
    arrayElement(
        ['accepted', 'rejected', 'duplicate', 'rerouted', 'encoded', 'queued', 'dispatched', 'submitted', 'throttled',
         'temporary_error', 'not_sent', 'retry_scheduled', 'submit_failed', 'outcome_unknown', 'late_response',
         'receipt', 'intermediate_receipt', 'late_receipt', 'orphan_receipt', 'receipt_missing', 'status', 'inbound',
         'config_applied', 'bind_up', 'bind_down', 'bind_refused', 'service_started', 'service_stopped'],
        bitAnd(last_key, 255)) AS last_word,
    multiIf(is_submitted, 'submitted', last_word IN ('accepted', 'encoded', ''), 'accepted', 'queued') AS implied_status
SELECT
    message_id, account_id, to, sender, country,
    substring(route_key, 2) AS connector_id,
    lane, encoding, segments, segments_delivered, attempts,
    if(status_key = '', implied_status, parts[1]) AS status,
    is_final AS final,
    parts[2] AS reason,
    parts[3] AS smsc_error,
    accepted_at,
    if(is_submitted, fromUnixTimestamp64Milli(submitted_ms, 'UTC'), NULL) AS submitted_at,
    if(is_final, fromUnixTimestamp64Milli(status_ms, 'UTC'), NULL) AS finished_at,
    if(is_final AND is_submitted AND parts[1] = 'delivered', status_ms - submitted_ms, NULL) AS latency_ms,
    substring(late_key, 14) AS late_status,
    last_word AS last_event,
    fromUnixTimestamp64Milli(toInt64(bitShiftRight(last_key, 8)), 'UTC') AS last_event_at
FROM sms.message_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- One row per segment. status: what its latest outcome was (a receipt's word, receipt_missing, outcome_unknown,
-- undeliverable), else submitted or queued. Late receipts change nothing here either. No FINAL: max and argMax do not
-- see repeats.
CREATE OR REPLACE VIEW sms.segment_state AS
SELECT
    message_id, segment_index,
    last_attempt AS attempt,
    last_connector AS connector_id,
    last_smsc_message_id AS smsc_message_id,
    multiIf(is_done, end_status, is_submitted, 'submitted', 'queued') AS status,
    if(is_submitted, last_submitted_at, NULL) AS submitted_at,
    if(is_done, last_end_at, NULL) AS done_at
FROM
(
    WITH event IN ('receipt', 'receipt_missing', 'outcome_unknown', 'submit_failed') AS is_end
    SELECT
        message_id, segment_index,
        max(attempt) AS last_attempt,
        argMaxIf(connector_id, (route_no, occurred_at), connector_id != '' AND NOT endsWith(event, 'receipt'))
            AS last_connector,
        argMaxIf(smsc_message_id, (occurred_at, attempt), event = 'submitted') AS last_smsc_message_id,
        countIf(event = 'submitted') > 0 AS is_submitted,
        maxIf(occurred_at, event = 'submitted') AS last_submitted_at,
        maxIf(occurred_at, is_end) AS last_end_at,
        countIf(is_end) > 0 AND last_end_at >= last_submitted_at AS is_done,
        argMaxIf(multiIf(event = 'receipt', status, event = 'submit_failed', 'undeliverable', event),
                 (occurred_at, attempt, event), is_end) AS end_status
    FROM sms.event_log
    WHERE segment_index > 0
    GROUP BY message_id, segment_index
);

-- Segments that the SMSC accepted, whose receipt was asked for and has not come. deadline_at tells whether it still may.
CREATE OR REPLACE VIEW sms.missing_receipts AS
SELECT
    message_id, segment_index, last_connector AS connector_id, last_submitted_at AS submitted_at,
    last_deadline_at AS deadline_at
FROM
(
    SELECT
        message_id, segment_index,
        argMaxIf(connector_id, occurred_at, event = 'submitted') AS last_connector,
        maxIf(occurred_at, event = 'submitted') AS last_submitted_at,
        maxIf(deadline_at, event = 'submitted') AS last_deadline_at
    FROM sms.event_log
    WHERE segment_index > 0 AND event IN ('submitted', 'receipt', 'late_receipt')
    GROUP BY message_id, segment_index
    HAVING toUnixTimestamp64Milli(last_deadline_at) > 0 AND countIf(event != 'submitted') = 0
);

-- Messages without a final status of which nothing was heard for a minute. A message that waits for its receipt is one
-- of them, with last_event = 'submitted'.
CREATE OR REPLACE VIEW sms.stuck_messages AS
SELECT
    message_id, account_id, connector_id, last_event, last_event_at,
    dateDiff('second', last_event_at, now64(3, 'UTC')) AS age_s
FROM sms.message_state
WHERE NOT final AND last_event_at < now64(3, 'UTC') - INTERVAL 60 SECOND;

-- messages = delivered + failed + pending + those that ended as `submitted` (receipt none). failed: every other final
-- status, partially_delivered among them. submitted: a segment was accepted by the SMSC, whatever came then.
CREATE OR REPLACE VIEW sms.stats_1h AS
SELECT
    hour, account_id, connector_id, country, sender, messages, segments, submitted, delivered, failed, pending,
    refreshed_at
FROM sms.hour_stats FINAL
WHERE messages > 0;

-- State of each connector by its binds. A bind is up when the last that was heard of it is bind_up and its process was
-- not started anew since (a killed one cannot say goodbye). The number of a bind stands in the detail ("bind 0: ...").
-- binds_max is that of the last applied configuration, else the number of binds that were ever heard of.
CREATE OR REPLACE VIEW sms.connector_health AS
WITH
    toUUID('00000000-0000-0000-0000-000000000000') AS no_message,
    binds AS
    (
        SELECT
            connector_id, extract(detail, '^bind (\\d+)') AS bind,
            argMax(event, (occurred_at, event_id)) AS last_word,
            argMax(instance, (occurred_at, event_id)) AS holder,
            max(occurred_at) AS last_at
        FROM sms.event_log
        WHERE message_id = no_message AND event IN ('bind_up', 'bind_down', 'bind_refused')
        GROUP BY connector_id, bind
    ),
    starts AS
    (
        SELECT instance AS holder, max(occurred_at) AS started_at
        FROM sms.event_log
        WHERE message_id = no_message AND service = 'binder' AND event IN ('service_started', 'service_stopped')
        GROUP BY holder
    ),
    configured AS
    (
        SELECT
            JSONExtractString(connector, 'id') AS connector_id,
            if(JSONHas(connector, 'max_binds'), JSONExtractUInt(connector, 'max_binds'), 1) AS max_binds
        FROM
        (
            SELECT arrayJoin(JSONExtractArrayRaw(argMax(detail, occurred_at), 'connectors')) AS connector
            FROM sms.event_log
            WHERE message_id = no_message AND event = 'config_applied'
        )
    ),
    lately AS
    (
        SELECT
            connector_id,
            uniqExactIf(event_id, event = 'throttled') AS throttled_1m,
            uniqExactIf(event_id, event != 'throttled') AS errors_1m
        FROM sms.event_log
        WHERE recorded_at > now('UTC') - INTERVAL 120 SECOND
          AND occurred_at > now64(3, 'UTC') - INTERVAL 60 SECOND
          AND event IN ('throttled', 'temporary_error', 'submit_failed', 'outcome_unknown')
        GROUP BY connector_id
    )
SELECT
    connector_id,
    multiIf(binds_up > 0 AND binds_up >= binds_max, 'up', binds_up > 0, 'degraded',
            countIf(is_refused) > 0, 'refused', 'down') AS state,
    countIf(last_word = 'bind_up' AND last_at >= started_at) AS binds_up,
    greatest(any(max_binds), if(any(max_binds) = 0, count(), 0)) AS binds_max,
    any(throttled_1m) AS throttled_1m,
    any(errors_1m) AS errors_1m,
    max(last_at) AS updated_at
FROM
(
    SELECT
        binds.connector_id AS connector_id, last_word, last_at, started_at, max_binds,
        lately.throttled_1m AS throttled_1m,
        lately.errors_1m AS errors_1m,
        last_word = 'bind_refused' AS is_refused
    FROM binds
    LEFT JOIN starts ON starts.holder = binds.holder
    LEFT JOIN configured ON configured.connector_id = binds.connector_id
    LEFT JOIN lately ON lately.connector_id = binds.connector_id
)
GROUP BY connector_id;
