"""Edge: reads mt.scheduled; writes mt.due and mt.statuses; owns scheduler.waiting.

It holds what is not due yet, and gives it back in its time. What the message then is, is decided by ingress.
"""
