-- Messages without a final status of which nothing was heard for a minute; the oldest news first. One
-- whose last event is `submitted` waits for its receipt. Those that wait for their time are left out until then.
-- Cost: granules with open messages. Messages end (validity, receipt deadline), so these are the newest ones.
SELECT
    last_event_at, dateDiff('second', last_event_at, now64(3, 'UTC')) AS age_s, last_event, connector_id, country,
    account_id, message_id, status, attempts
FROM sms.message_state
WHERE toUInt128(message_id) IN
  (
    SELECT toUInt128(message_id) FROM sms.message_log
    WHERE status_key < '1' AND accepted_at >= fromUnixTimestamp({since_s:Int64})
      AND accepted_at < fromUnixTimestamp({until_s:Int64})
  )
  AND NOT final AND last_event_at < now64(3, 'UTC') - INTERVAL 60 SECOND
  AND NOT (last_event IN ('scheduled', 'rescheduled') AND due_at > now64(3, 'UTC') - INTERVAL 60 SECOND)
  AND ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
ORDER BY last_event_at, message_id
LIMIT {limit:UInt32}
