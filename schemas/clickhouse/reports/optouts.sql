-- Day and account: how many handsets said STOP and START (or their like), and how many messages were refused for it.
-- Cost: the inbound events of the span, the roll-up's cells of its closed hours, the messages of the other hours.
SELECT
    day, account_id, sum(said.stops) AS stops, sum(said.starts) AS starts, sum(said.refused) AS refused
FROM
(
    SELECT toDate(occurred_at) AS day, account_id, connector_id, reason = 'stop' AS stops, reason = 'start' AS starts,
        0 AS refused
    FROM sms.events
    WHERE message_id = '00000000-0000-0000-0000-000000000000' AND event = 'inbound' AND reason IN ('stop', 'start')
      AND occurred_at >= fromUnixTimestamp({since_s:Int64}) AND occurred_at < fromUnixTimestamp({until_s:Int64})
    UNION ALL
    SELECT toDate(hour), account_id, connector_id, 0, 0, messages
    FROM sms.hour_ends FINAL
    WHERE hour IN (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
      AND reason = 'opted_out'
    UNION ALL
    SELECT toDate(accepted_at), account_id, connector_id, 0, 0, 1
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
      AND toStartOfHour(accepted_at) IN
          (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
      AND reason = 'opted_out'
) AS said
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
GROUP BY day, account_id
HAVING stops + starts + refused > 0
ORDER BY day, account_id
LIMIT {limit:UInt32}
