-- Segments that the SMSC accepted, whose receipt was asked for and has not come, of messages that are not known as
-- delivered; the newest first. overdue: the receipt deadline has passed.
-- Cost: those of the closed hours of the span, and the messages and events of its other hours.
SELECT
    submitted_at, deadline_at, toBool(deadline_at < now64(3, 'UTC')) AS overdue, connector_id, country, account_id, message_id,
    segment_index, status
FROM
(
    SELECT submitted_at, deadline_at, connector_id, country, account_id, message_id, segment_index, status
    FROM sms.hour_missing FINAL
    WHERE hour IN (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
      AND is_missing
    UNION ALL
    SELECT submitted_at, deadline_at, connector_id, country, account_id, message_id, segment_index, status
    FROM
    (
        SELECT
            message_id, segment_index,
            argMaxIf(connector_id, occurred_at, event = 'submitted') AS connector_id,
            maxIf(occurred_at, event = 'submitted') AS submitted_at,
            maxIf(event_log.deadline_at, event = 'submitted') AS deadline_at
        FROM sms.event_log
        WHERE segment_index > 0 AND event IN ('submitted', 'receipt', 'late_receipt')
          AND accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
          AND toStartOfHour(accepted_at) IN
              (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
        GROUP BY message_id, segment_index
        HAVING toUnixTimestamp64Milli(deadline_at) > 0 AND countIf(event != 'submitted') = 0
    ) AS missing
    INNER JOIN
    (
        SELECT message_id, account_id, country, status
        FROM sms.message_state
        WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
          AND toStartOfHour(accepted_at) IN
              (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
          AND status != 'delivered'
    ) AS state USING (message_id)
)
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
ORDER BY submitted_at DESC, message_id, segment_index
LIMIT {limit:UInt32}
