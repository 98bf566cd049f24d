"""Edge: what an operator asks and does: functions that return values and raise `shared.operations.errors`.

They print nothing and know no exit codes: the command line, an HTTP API and a console stand on them alike.
"""
