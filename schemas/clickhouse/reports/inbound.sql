-- Messages from handsets by number and connector: whose they are (empty: nobody's), how many, from how many handsets.
-- Cost: the inbound events of the span; they lie apart from those of messages out.
SELECT
    to, connector_id, account_id, uniqExact(substring(detail, 7, 36)) AS messages, uniqExact(sender) AS handsets,
    max(occurred_at) AS last_at
FROM sms.events
WHERE message_id = '00000000-0000-0000-0000-000000000000' AND event = 'inbound'
  AND occurred_at >= fromUnixTimestamp({since_s:Int64}) AND occurred_at < fromUnixTimestamp({until_s:Int64})
  AND ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND (NOT {unclaimed:Bool} OR account_id = '')
GROUP BY to, connector_id, account_id
ORDER BY messages DESC, to, connector_id, account_id
LIMIT {limit:UInt32}
