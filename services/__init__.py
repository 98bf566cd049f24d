"""Edge: the deployables, in flow order: ingress, encoder, throttler, binder, correlator, recorder; cli and simulator.

Services never import each other; they share `schemas` (contracts) and `shared` (plumbing).
"""
