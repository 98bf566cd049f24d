"""Edge: reads mt.submissions[.otp]; writes mt.segments.<connector>.<lane>, mt.statuses and mt.reroutes; owns no state.

Text becomes an alphabet, segments and addresses, exactly as the message's connector wants the octets.
"""
