-- Sender and account: what became of the messages; the largest first.
-- Cost: the roll-up's cells of the closed hours of the span, the messages of the other hours.
SELECT
    sender, account_id,
    sum(counts.messages) AS messages, sum(counts.segments) AS segments, sum(counts.rejected) AS rejected,
    sum(counts.submitted) AS submitted, sum(counts.delivered) AS delivered,
    sum(counts.failed) - sum(counts.rejected) - sum(counts.unknown) AS failed, sum(counts.unknown) AS unknown,
    sum(counts.pending) AS open,
    round(100 * delivered / nullIf(messages - rejected - open, 0), 1) AS delivered_pct
FROM
(
    SELECT
        sender, account_id, connector_id, country,
        messages, segments, submitted, delivered, failed, rejected, unknown, pending
    FROM sms.hour_stats FINAL
    WHERE hour IN (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
    UNION ALL
    SELECT
        sender, account_id, connector_id, country,
        1 AS messages, toUInt64(segments) AS segments, submitted_at IS NOT NULL AS submitted,
        status = 'delivered' AS delivered, final AND status NOT IN ('delivered', 'submitted') AS failed,
        status = 'rejected' AS rejected, status IN ('outcome_unknown', 'receipt_missing') AS unknown,
        NOT final AS pending
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
      AND toStartOfHour(accepted_at) IN
          (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
) AS counts
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
GROUP BY sender, account_id
HAVING messages > 0
ORDER BY messages DESC, sender, account_id
LIMIT {limit:UInt32}
