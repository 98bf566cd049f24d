"""Edge: many events in ClickHouse, made by SQL as the services would write them: for benchmarks of reports."""

from typing import Final

from clickhouse_connect.driver.client import Client

BATCH: Final = 50_000
"""Messages of one insert, as many as pass in seven minutes of two weeks."""
EVENTS_EACH: Final = 6
"""accepted, encoded, queued, submitted, receipt, status; two of a message that is rejected."""

# Of a hundred messages: 2 are rejected, 5 undeliverable, 0.1 without a receipt, 0.05 (of the last day) open; a tenth is
# UCS-2; one in a hundred thousand is to one and the same number, the others to one of a million.
_INSERT: Final = """
INSERT INTO sms.events_raw
    (event_id, message_id, segment_index, attempt, event, service, instance, connector_id, reason, occurred_at_ms,
     accepted_at_ms, account_id, campaign_id, to, sender, country, lane, encoding, segments, segments_delivered, status,
     final, smsc_message_id, smsc_error, deadline_at_ms)
WITH
    toInt64({first_ms:Int64} + n * {step_us:Int64} / 1000) AS at_ms,
    lower(leftPad(hex(toUInt64(at_ms)), 16, '0')) AS time_hex,
    ((seed, salt) -> lower(hex(sipHash128(seed, salt)))) AS random_hex,
    ((digits, random) -> toUUID(concat(substring(digits, 5, 8), '-', substring(digits, 13, 4), '-7',
        substring(random, 1, 3), '-8', substring(random, 4, 3), '-', substring(random, 7, 12)))) AS as_id,
    sipHash64(n, 'fate') % 10000 AS fate,
    fate < 200 AS is_rejected,
    fate >= 200 AND fate < 700 AS is_failed,
    fate >= 700 AND fate < 710 AS is_missing,
    fate >= 710 AND fate < 715 AND at_ms > {open_after_ms:Int64} AS is_open,
    sipHash64(n, 'place') % 100 AS place,
    multiIf(place < 50, 'GB', place < 75, 'DE', place < 90, 'FR', place < 97, 'US', 'IN') AS the_country,
    ['acme-1', 'beta-2', 'gamma-3', 'delta-4'][1 + sipHash64(n, 'connector') % 4] AS connector,
    sipHash64(n, 'kind') % 100 AS kind,
    toUInt16(if(kind < 80, 1, 1 + kind % 3)) AS n_segments,
    500 + toInt64(-2500 * log((1 + sipHash64(n, 'wait') % 1000000) / 1000001)) AS wait_ms
SELECT
    as_id(time_hex, random_hex(n, step)), as_id(time_hex, random_hex(n, 'message')),
    if(step IN ('submitted', 'receipt', 'receipt_missing'), 1, 0), if(step IN ('accepted', 'encoded'), 0, 1),
    if(step = 'end', if(is_rejected, 'rejected', 'status'), step),
    multiIf(step IN ('accepted', 'end') AND is_rejected, 'ingress', step = 'accepted', 'ingress', step = 'encoded',
            'encoder', step IN ('queued', 'submitted'), 'throttler', 'correlator'), '0',
    if(is_rejected, '', connector),
    multiIf(step = 'end' AND is_rejected, 'opted_out', step = 'end' AND is_failed, 'receipt_undeliverable',
            step = 'end' AND is_missing, 'receipt_missing', ''),
    at_ms + transform(step, ['accepted', 'encoded', 'queued', 'submitted'], [2, 6, 9, 40], 40 + wait_ms),
    at_ms, concat('account-', toString(sipHash64(n, 'account') % 8)),
    if(step IN ('accepted', 'end'), concat('campaign-', toString(intDiv(n, 20000))), ''),
    if(n % 100000 = 7, '447700900123',
       concat('4477', leftPad(toString(sipHash64(n, 'number') % 1000000), 8, '0'))),
    concat('SENDER', toString(sipHash64(n, 'account') % 8)), the_country, if(kind % 10 = 0, 'otp', 'txn'),
    if(step IN ('accepted'), '', if(kind % 10 = 3, 'ucs2', 'gsm7')), n_segments,
    if(step = 'end' AND NOT is_failed AND NOT is_missing AND NOT is_rejected, n_segments, 0),
    multiIf(step = 'receipt', if(is_failed, 'undeliverable', 'delivered'), step != 'end', '',
            is_rejected, 'rejected', is_missing, 'receipt_missing', is_failed, 'undeliverable', 'delivered'),
    step = 'end',
    if(step IN ('submitted', 'receipt'), lower(hex(toUInt32(n))), ''),
    if(step IN ('receipt', 'end') AND is_failed, ['001', '011', '027', '034'][1 + fate % 4], ''),
    if(step = 'submitted', at_ms + 172800000, 0)
FROM
(
    SELECT
        number + {first:UInt64} AS n,
        arrayJoin(['accepted', 'encoded', 'queued', 'submitted', 'receipt', 'end']) AS step
    FROM numbers({count:UInt64})
)
WHERE multiIf(is_rejected, step IN ('accepted', 'end'), is_open, step NOT IN ('receipt', 'end'),
              is_missing, step != 'receipt', true)
SETTINGS async_insert = 0, optimize_on_insert = 0
"""


def fill(client: Client, messages: int, first_ms: int, last_ms: int) -> None:
    """Insert the events of so many messages, evenly from `first_ms` to `last_ms`."""
    span = {
        "first_ms": first_ms,
        "step_us": (last_ms - first_ms) * 1000 // messages,
        "open_after_ms": last_ms - 86_400_000,
    }
    for first in range(0, messages, BATCH):
        client.command(_INSERT, parameters=span | {"first": first, "count": min(BATCH, messages - first)})
