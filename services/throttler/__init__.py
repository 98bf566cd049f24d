"""Edge: reads mt.segments.<connector>.<lane> and mt.feedback.<connector>; writes mt.dispatch.<connector>,
smsc.submit_results, mt.outcomes, mt.statuses, mt.reroutes, the retry lane and the marks of closed stays in mt.feedback;
owns the rate of each connector.
"""
