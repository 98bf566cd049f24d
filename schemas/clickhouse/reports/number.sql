-- One number: its messages, the newest first. As in sms.message_state, but only the rows of these messages are put
-- together.
-- Cost: one look into the index of numbers, and one granule of the messages for each that is found. After an update also
-- the messages of the hours whose numbers are not in the index yet.
WITH
    moments AS
    (
        SELECT accepted_at FROM sms.number_log
        WHERE to = {what:String} AND accepted_at >= fromUnixTimestamp({since_s:Int64})
          AND accepted_at < fromUnixTimestamp({until_s:Int64})
        UNION DISTINCT
        SELECT accepted_at FROM sms.message_log
        WHERE toStartOfHour(accepted_at) IN (SELECT hour FROM sms.unnumbered_hours)
          AND accepted_at >= fromUnixTimestamp({since_s:Int64})
          AND accepted_at < fromUnixTimestamp({until_s:Int64}) AND to = {what:String}
    ),
    newest AS
    (
        SELECT accepted_at FROM moments ORDER BY accepted_at DESC LIMIT {limit:UInt32}
    ),
    splitByChar('|', substring(status_keys, 15)) AS parts
SELECT
    first_accepted_at AS accepted_at, message_id, account AS account_id, senders AS sender, countries AS country,
    substring(route_keys, 2) AS connector_id, segment_count AS segments,
    multiIf(status_keys != '', parts[1], submits != 4102444800000, 'submitted',
            bitAnd(last_keys, 255) IN (0, 1, 5), 'accepted', 'queued') AS status, -- accepted and encoded
    parts[2] AS reason, parts[3] AS smsc_error,
    if(startsWith(status_keys, '1') AND submits != 4102444800000 AND parts[1] = 'delivered',
       toInt64OrZero(substring(status_keys, 2, 13)) - submits, NULL) AS latency_ms
FROM
(
    SELECT
        message_id, max(message_log.accepted_at) AS first_accepted_at, max(account_id) AS account,
        max(sender) AS senders, max(country) AS countries, max(route_key) AS route_keys,
        max(message_log.segments) AS segment_count, max(status_key) AS status_keys, min(submitted_ms) AS submits,
        max(last_key) AS last_keys
    FROM sms.message_log
    WHERE accepted_at IN (SELECT accepted_at FROM newest)
    GROUP BY message_id
    HAVING max(to) = {what:String} -- another message may have come in the same millisecond
)
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
ORDER BY accepted_at DESC, message_id
LIMIT {limit:UInt32}
