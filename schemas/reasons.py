"""Pure: every machine-readable reason of a status, and what it means. The docs' table is generated from it."""

from typing import Final

REASONS: Final[dict[str, str]] = {
    # admission: nothing was sent
    "missing_field": "A required field is absent or null.",
    "invalid_field": "A field has the wrong type or an impossible value.",
    "body_conflict": "Neither or both of text and data are given, or options of one with the other.",
    "invalid_destination": "`to` is not an E.164 number, nor a short code where the account may send to those.",
    "invalid_sender": "`from` is absent, not 3-15 digits nor 1-11 GSM-7 characters with a letter, or no SMPP address.",
    "unknown_account": "No such account is configured.",
    "unknown_connector": "The pinned connector is not configured, or is being removed.",
    "no_route": "No route matches, or none of its connectors is in use.",
    "lane_not_allowed": "The account may not use this lane (`limits.lanes`).",
    "opted_out": "The destination does not want messages of this account.",
    "idempotency_conflict": "The idempotency key was used within 24 h with another body.",
    "text_too_long": "The message needs more segments than the account allows.",
    "not_encodable": "The text or data does not fit the encoding that was asked for.",
    "schedule_out_of_range": "`send_at` is in the past or too far ahead.",
    "unsupported": "This version does not do that yet (for instance a higher schema_version).",
    # after the first dispatch
    "smsc_undelivered": "The receipt says UNDELIV, DELETED or SKIPPED.",
    "smsc_rejected": "The receipt says REJECTD.",
    "smsc_expired": "The receipt says EXPIRED.",
    "smsc_refused": "The SMSC refused the submit_sm for good; `smsc_error` has its error, for SMPP the command_status.",
    "validity_passed": "The validity ended before the SMSC took the message.",
    "retries_exhausted": "The configured number of tries was used up by temporary errors.",
    "receipt_deadline": "No final receipt came before the connector's receipt deadline.",
    "in_doubt": "A process died while the message may have been on its way; it is never sent again by itself.",
    "no_submit_response": "The SMSC did not answer the submit_sm in time, or the link was cut.",
    "cancelled_by_command": "A command on mt.commands took the message back before anything of it was sent.",
    "connector_removed": "The connector was removed from the configuration before the message was sent.",
}
