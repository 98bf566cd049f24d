-- The recorder finds out whether rows or the server are at fault by inserting a row that is known to be good: event
-- `probe`, message and event id 00000000-0000-0000-0000-000000000001, one a partition after a merge. It says nothing of
-- messages, so the views leave it out. (It has no segment, and no word that sms.connector_health asks for.)

-- As before (0004), without the recorder's probe.
CREATE OR REPLACE VIEW sms.events AS
SELECT
    event_id, message_id, segment_index, attempt, event, service, instance, connector_id, route_no, reason, field,
    occurred_at, accepted_at, status, final, smsc_message_id, smsc_error, command_status, latency_ms,
    nullIf(deadline_at, toDateTime64(0, 3, 'UTC')) AS deadline_at,
    idempotency_key, account_id, to, sender, detail, recorded_at
FROM sms.event_log FINAL
WHERE message_id != toUUID('00000000-0000-0000-0000-000000000001');

-- As before (0007), without the recorder's probe.
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
    fromUnixTimestamp64Milli(toInt64(bitShiftRight(last_key, 8)), 'UTC') AS last_event_at
FROM sms.message_log FINAL
WHERE message_id != toUUID('00000000-0000-0000-0000-000000000001')
SETTINGS do_not_merge_across_partitions_select_final = 1;
