-- Messages by the time they were accepted at, in steps of step_s seconds.
-- Cost: the roll-up's cells of the closed hours of the span, the messages of the other hours.
SELECT
    toStartOfInterval(minute, toIntervalSecond({step_s:UInt32})) AS time,
    sum(counts.messages) AS messages, sum(counts.segments) AS segments, sum(counts.submitted) AS submitted,
    sum(counts.delivered) AS delivered, round(messages / {step_s:UInt32}, 2) AS messages_per_s
FROM
(
    SELECT minute, account_id, connector_id, country, messages, segments, submitted, delivered
    FROM sms.minute_stats FINAL
    WHERE toStartOfHour(minute) IN
          (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
    UNION ALL
    SELECT
        toStartOfMinute(accepted_at) AS minute, account_id, connector_id, country,
        1 AS messages, toUInt64(segments) AS segments, submitted_at IS NOT NULL AS submitted,
        status = 'delivered' AS delivered
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
      AND toStartOfHour(accepted_at) IN
          (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
) AS counts
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
GROUP BY time
HAVING messages > 0
ORDER BY time
LIMIT {limit:UInt32}
