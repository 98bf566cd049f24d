-- Why messages were not delivered: status, reason and its meaning, the error that the SMSC gave. A command_status has
-- a name; other errors (of receipts) are numbers of the carrier's own, as its documents list them.
-- Cost: the roll-up's cells of the closed hours of the span, the messages of the other hours.
WITH
    [
        'missing_field', 'invalid_field', 'body_conflict', 'invalid_destination', 'invalid_sender',
        'unknown_account', 'unknown_connector', 'no_route', 'lane_not_allowed', 'opted_out', 'idempotency_conflict',
        'text_too_long', 'not_encodable', 'schedule_out_of_range', 'unsupported', 'smsc_undelivered',
        'smsc_rejected', 'smsc_expired', 'smsc_refused', 'validity_passed', 'retries_exhausted',
        'receipt_deadline', 'in_doubt', 'no_submit_response', 'cancelled_by_command', 'connector_removed'
    ] AS reasons,
    [
        'A required field is absent or null.', 'A field has the wrong type or an impossible value.',
        'Neither or both of text and data are given, or options of one with the other.',
        '`to` is not an E.164 number, nor a short code where the account may send to those.',
        '`from` is absent, not 3-15 digits nor 1-11 GSM-7 characters with a letter, or no SMPP address.',
        'No such account is configured.', 'The pinned connector is not configured, or is being removed.',
        'No route matches, or none of its connectors is in use.',
        'The account may not use this lane (`limits.lanes`).',
        'The destination does not want messages of this account.',
        'The idempotency key was used within 24 h with another body.',
        'The message needs more segments than the account allows.',
        'The text or data does not fit the encoding that was asked for.',
        '`send_at` is in the past or too far ahead.',
        'This version does not do that yet (for instance a higher schema_version).',
        'The receipt says UNDELIV, DELETED or SKIPPED.', 'The receipt says REJECTD.',
        'The receipt says EXPIRED.',
        'The SMSC refused the submit_sm for good; `smsc_error` has its error, for SMPP the command_status.',
        'The validity ended before the SMSC took the message.',
        'The configured number of tries was used up by temporary errors.',
        'No final receipt came before the connector''s receipt deadline.',
        'A process died while the message may have been on its way; it is never sent again by itself.',
        'The SMSC did not answer the submit_sm in time, or the link was cut.',
        'A command on mt.commands took the message back before anything of it was sent.',
        'The connector was removed from the configuration before the message was sent.'
    ] AS reason_meanings,
    [
        '0x00000001', '0x00000002', '0x00000003', '0x00000004', '0x00000005', '0x00000006', '0x00000007',
        '0x00000008', '0x0000000a', '0x0000000b', '0x0000000c', '0x0000000d', '0x0000000e', '0x0000000f',
        '0x00000011', '0x00000013', '0x00000014', '0x00000015', '0x00000033', '0x00000034', '0x00000040',
        '0x00000042', '0x00000043', '0x00000044', '0x00000045', '0x00000048', '0x00000049', '0x00000050',
        '0x00000051', '0x00000053', '0x00000054', '0x00000055', '0x00000058', '0x00000061', '0x00000062',
        '0x00000063', '0x00000064', '0x00000065', '0x00000066', '0x00000067', '0x000000c0', '0x000000c1',
        '0x000000c2', '0x000000c3', '0x000000c4', '0x000000fe', '0x000000ff'
    ] AS statuses,
    [
        'ESME_RINVMSGLEN', 'ESME_RINVCMDLEN', 'ESME_RINVCMDID', 'ESME_RINVBNDSTS', 'ESME_RALYBND',
        'ESME_RINVPRTFLG', 'ESME_RINVREGDLVFLG', 'ESME_RSYSERR', 'ESME_RINVSRCADR', 'ESME_RINVDSTADR',
        'ESME_RINVMSGID', 'ESME_RBINDFAIL', 'ESME_RINVPASWD', 'ESME_RINVSYSID', 'ESME_RCANCELFAIL',
        'ESME_RREPLACEFAIL', 'ESME_RMSGQFUL', 'ESME_RINVSERTYP', 'ESME_RINVNUMDESTS', 'ESME_RINVDLNAME',
        'ESME_RINVDESTFLAG', 'ESME_RINVSUBREP', 'ESME_RINVESMCLASS', 'ESME_RCNTSUBDL', 'ESME_RSUBMITFAIL',
        'ESME_RINVSRCTON', 'ESME_RINVSRCNPI', 'ESME_RINVDSTTON', 'ESME_RINVDSTNPI', 'ESME_RINVSYSTYP',
        'ESME_RINVREPFLAG', 'ESME_RINVNUMMSGS', 'ESME_RTHROTTLED', 'ESME_RINVSCHED', 'ESME_RINVEXPIRY',
        'ESME_RINVDFTMSGID', 'ESME_RX_T_APPN', 'ESME_RX_P_APPN', 'ESME_RX_R_APPN', 'ESME_RQUERYFAIL',
        'ESME_RINVOPTPARSTREAM', 'ESME_ROPTPARNOTALLWD', 'ESME_RINVPARLEN', 'ESME_RMISSINGOPTPARAM',
        'ESME_RINVOPTPARAMVAL', 'ESME_RDELIVERYFAILURE', 'ESME_RUNKNOWNERR'
    ] AS status_names
SELECT
    connector_id, smsc_error, transform(smsc_error, statuses, status_names, '') AS error_name, status, reason,
    transform(reason, reasons, reason_meanings, '') AS meaning,
    sum(counts.messages) AS messages, round(100 * messages / nullIf(sum(messages) OVER (), 0), 1) AS share_pct
FROM
(
    SELECT account_id, connector_id, country, status, reason, smsc_error, messages
    FROM sms.hour_ends FINAL
    WHERE hour IN (SELECT hour FROM sms.rolled_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
    UNION ALL
    SELECT account_id, connector_id, country, status, reason, smsc_error, count() AS messages
    FROM sms.message_state
    WHERE accepted_at >= fromUnixTimestamp({since_s:Int64}) AND accepted_at < fromUnixTimestamp({until_s:Int64})
      AND toStartOfHour(accepted_at) IN
          (SELECT hour FROM sms.live_hours(since_s = {since_s:Int64}, until_s = {until_s:Int64}))
    GROUP BY account_id, connector_id, country, status, reason, smsc_error
) AS counts
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND ({country:String} = '' OR country = {country:String})
  AND status NOT IN ('delivered', 'submitted', 'queued', 'accepted')
GROUP BY connector_id, smsc_error, status, reason
HAVING messages > 0
ORDER BY messages DESC, connector_id, smsc_error, status, reason
LIMIT {limit:UInt32}
