-- Messages that wait for their time. due_key: 13 digits of ms, those of when it goes, why it waits (send_at or
-- quiet_hours): of the latest event `scheduled` or `rescheduled`, whose deadline_at is that time.
ALTER TABLE sms.message_log ADD COLUMN IF NOT EXISTS
    due_key SimpleAggregateFunction(max, String) CODEC(ZSTD(1)) AFTER late_key;

-- As before (0009), and that. Commands that came to nothing are no step of a message.
ALTER TABLE sms.message_log_mv MODIFY QUERY
WITH
    toUUID('00000000-0000-0000-0000-000000000000') AS no_message,
    least(greatest(occurred_at_ms, 0), 9999999999999) AS at_ms,
    leftPad(toString(at_ms), 13, '0') AS at_digits,
    indexOf(
        ['accepted', 'rejected', 'duplicate', 'rerouted', 'encoded', 'queued', 'dispatched', 'submitted', 'throttled',
         'temporary_error', 'not_sent', 'retry_scheduled', 'submit_failed', 'outcome_unknown', 'late_response',
         'receipt', 'intermediate_receipt', 'late_receipt', 'orphan_receipt', 'receipt_missing', 'status', 'inbound',
         'config_applied', 'bind_up', 'bind_down', 'bind_refused', 'service_started', 'service_stopped',
         'message_id_format', 'scheduled', 'due', 'rescheduled', 'cancel_too_late', 'reschedule_too_late',
         'command_ignored'],
        event) AS word_code
SELECT
    message_id,
    fromUnixTimestamp64Milli(least(greatest(max(accepted_at_ms), 0), 4102444800000), 'UTC') AS accepted_at,
    max(account_id) AS account_id,
    max(campaign_id) AS campaign_id,
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
    max(if(event = 'late_receipt', concat(at_digits, status), '')) AS late_key,
    max(if(event IN ('scheduled', 'rescheduled'),
           concat(at_digits, leftPad(toString(least(greatest(deadline_at_ms, 0), 9999999999999)), 13, '0'), reason),
           '')) AS due_key
FROM sms.events_raw
WHERE message_id != no_message AND event NOT IN ('duplicate', 'inbound', 'orphan_receipt', 'cancel_too_late',
                                                  'reschedule_too_late', 'command_ignored')
GROUP BY message_id;

-- As before (0009); a message that waits for its time is `scheduled`, and due_at says when it goes, or went.
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
         'config_applied', 'bind_up', 'bind_down', 'bind_refused', 'service_started', 'service_stopped',
         'message_id_format', 'scheduled', 'due', 'rescheduled', 'cancel_too_late', 'reschedule_too_late',
         'command_ignored'],
        bitAnd(last_key, 255)) AS last_word,
    multiIf(is_submitted, 'submitted',
            last_word IN ('scheduled', 'rescheduled'), 'scheduled',
            last_word IN ('accepted', 'due', 'encoded', ''), 'accepted',
            'queued') AS implied_status
SELECT
    message_id, account_id, campaign_id, to, sender, country,
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
    fromUnixTimestamp64Milli(toInt64(bitShiftRight(last_key, 8)), 'UTC') AS last_event_at,
    if(due_key = '', NULL, fromUnixTimestamp64Milli(least(toInt64OrZero(substring(due_key, 14, 13)), 4102444800000),
                                                    'UTC')) AS due_at,
    substring(due_key, 27) AS wait_reason
FROM sms.message_log FINAL
WHERE message_id != toUUID('00000000-0000-0000-0000-000000000001')
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW sms.scheduled_messages AS
SELECT message_id, account_id, campaign_id, due_at AS send_at, wait_reason AS why
FROM sms.message_state
WHERE NOT final AND last_event IN ('scheduled', 'rescheduled');

-- As before (0004); one that waits for its time is not stuck before that has passed.
CREATE OR REPLACE VIEW sms.stuck_messages AS
SELECT
    message_id, account_id, connector_id, last_event, last_event_at,
    dateDiff('second', last_event_at, now64(3, 'UTC')) AS age_s
FROM sms.message_state
WHERE NOT final AND last_event_at < now64(3, 'UTC') - INTERVAL 60 SECOND
  AND NOT (last_event IN ('scheduled', 'rescheduled') AND due_at > now64(3, 'UTC') - INTERVAL 60 SECOND);
