-- A segment that is given up has an end too. It is no error of its connector.

-- One row per segment that was dispatched, or given up when others of its message had been. status: what its latest outcome was (a receipt's word,
-- receipt_missing, outcome_unknown, undeliverable, expired), else submitted or queued. submit_failed is also the event of
-- a segment that is given up without an answer for good: its tries or its validity are used up (validity_passed), its
-- connector was removed, or another segment of the message failed. Not of one that was tried in vain and then sent back
-- for another connector where there was none: that one stays queued, and its message has the end. Late receipts change
-- nothing here either. No FINAL: max and argMax do not see repeats.
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
        argMaxIf(multiIf(event = 'receipt', status,
                         event != 'submit_failed', event,
                         reason = 'validity_passed', 'expired', 'undeliverable'),
                 (occurred_at, attempt, event), is_end) AS end_status
    FROM sms.event_log
    WHERE segment_index > 0
    GROUP BY message_id, segment_index
);

-- As before (0005), but for segments that the SMSC did not refuse itself.
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
            if(JSONHas(connector, 'max_binds'), JSONExtractUInt(connector, 'max_binds'), 1) AS max_binds,
            applied_at
        FROM
        (
            SELECT
                arrayJoin(JSONExtractArrayRaw(argMax(detail, occurred_at), 'connectors')) AS connector,
                max(occurred_at) AS applied_at
            FROM sms.event_log
            WHERE message_id = no_message AND event = 'config_applied'
        )
    ),
    known AS
    (
        SELECT connector_id FROM configured
        UNION DISTINCT
        SELECT connector_id FROM binds
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
          AND (event != 'submit_failed' OR command_status != 0)
        GROUP BY connector_id
    )
SELECT
    connector_id,
    multiIf(binds_up > 0 AND binds_up >= binds_max, 'up', binds_up > 0, 'degraded',
            countIf(is_refused) > 0, 'refused', 'down') AS state,
    countIf(last_word = 'bind_up' AND last_at >= started_at) AS binds_up,
    if(any(max_binds) = 0, countIf(bind != ''), any(max_binds)) AS binds_max,
    any(throttled_1m) AS throttled_1m,
    any(errors_1m) AS errors_1m,
    max(greatest(last_at, applied_at)) AS updated_at
FROM
(
    SELECT
        known.connector_id AS connector_id, bind, last_word, last_at, started_at, max_binds, applied_at,
        lately.throttled_1m AS throttled_1m,
        lately.errors_1m AS errors_1m,
        last_word = 'bind_refused' AS is_refused
    FROM known
    LEFT JOIN binds ON binds.connector_id = known.connector_id
    LEFT JOIN starts ON starts.holder = binds.holder
    LEFT JOIN configured ON configured.connector_id = known.connector_id
    LEFT JOIN lately ON lately.connector_id = known.connector_id
)
GROUP BY connector_id
HAVING binds_up > 0 OR any(max_binds) > 0 OR (SELECT count() FROM configured) = 0;
