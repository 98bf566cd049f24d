-- Alphabet and number of segments of a message: how many messages; and what rewriting UCS-2 texts in the GSM alphabet
-- would save at least, were there one septet for each of their characters: the longest text of n segments is reckoned
-- with.
-- Cost: the roll-up's cells of the closed hours of the span, the messages of the other hours.
WITH
    if(each = 1, 70, 67 * each) AS characters_max,
    if(characters_max <= 160, 1, toUInt64(ceil(characters_max / 153))) AS as_gsm7
SELECT
    encoding, each AS segments_each, sum(counts.messages) AS messages, messages * each AS segments,
    if(encoding = 'ucs2', messages * (each - least(as_gsm7, each)), 0) AS rewriting_saves
FROM
(
    SELECT account_id, connector_id, country, encoding, segments AS each, messages
    FROM sms.hour_segments FINAL
    WHERE hour IN (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
    UNION ALL
    SELECT account_id, connector_id, country, encoding, segments AS each, count() AS messages
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
      AND toStartOfHour(accepted_at) IN
          (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
    GROUP BY account_id, connector_id, country, encoding, each
) AS counts
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
  AND encoding != ''
GROUP BY encoding, each
HAVING messages > 0
ORDER BY encoding, each
LIMIT {limit:UInt32}
