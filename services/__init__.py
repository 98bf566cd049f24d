"""Edge: the deployables, in flow order: ingress, encoder, throttler, binder, correlator, recorder; beside them cli and simulator.

Services never import each other; they share `schemas` (contracts) and `shared` (plumbing).
"""
