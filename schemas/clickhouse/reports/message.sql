-- One message: its events in their order. Times in milliseconds after it was accepted.
-- Cost: one look into the key of each partition.
SELECT
    occurred_at, toUnixTimestamp64Milli(occurred_at) - toUnixTimestamp64Milli(accepted_at) AS after_ms, event, service,
    segment_index, attempt, connector_id, status, reason, smsc_error, smsc_message_id, detail
FROM sms.events
WHERE message_id = {what:UUID}
ORDER BY occurred_at, segment_index, attempt
LIMIT {limit:UInt32}
