"""Edge: reads mt.requests[.otp] and mt.reroutes; writes mt.submissions[.otp] and mt.statuses; owns ingress.keys[.otp].

Admission: validate, identify, deduplicate, opt-out, choose the connector. Nothing else decides whether a message is
taken, and what it decides once it does not decide again after a crash.
"""
