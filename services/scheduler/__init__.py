"""Edge: reads mt.scheduled and mt.commands; writes mt.due and mt.statuses; owns scheduler.waiting.

It holds what is not due yet, and gives it back in its time, unless it is taken back before. What the message then is,
is decided by ingress.
"""
