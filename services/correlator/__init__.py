"""Edge: the correlator: receipts to submissions in either order, segments into one status, messages of handsets.

Reads smsc.submit_results, smsc.receipts, smsc.inbound (step one, the join) and mt.outcomes (step two, the fold).
Writes mt.outcomes, mt.statuses, mo.messages, lifecycle.events and its changelogs correlator.joins, correlator.folds and
correlator.inbound; for messages of handsets also config.optouts, and replies to mt.requests.
Owns the end of every message after its first dispatch: exactly one final status, decided by the log and not by a clock.
"""
