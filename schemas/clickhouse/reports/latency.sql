-- Connector and country: ms from the first accepted segment to `delivered`; within 1 % of the true ones.
-- Cost: the roll-up's cells of the closed hours of the span, the messages of the other hours.
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(sketch) AS quantiles
SELECT
    connector_id, country, sum(counts.delivered) AS delivered,
    round(quantiles[1]) AS p50_ms, round(quantiles[2]) AS p90_ms, round(quantiles[3]) AS p95_ms,
    round(quantiles[4]) AS p99_ms
FROM
(
    SELECT account_id, connector_id, country, delivered, latency AS sketch
    FROM sms.hour_latency FINAL
    WHERE hour IN (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
      AND delivered > 0
    UNION ALL
    SELECT
        account_id, connector_id, country, count() AS delivered,
        quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(assumeNotNull(latency_ms)) AS sketch
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
      AND toStartOfHour(accepted_at) IN
          (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
      AND status = 'delivered' AND latency_ms IS NOT NULL
    GROUP BY account_id, connector_id, country
) AS counts
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
GROUP BY connector_id, country
ORDER BY connector_id, country
LIMIT {limit:UInt32}
