"""Pure: what gateway.yaml says of a connector: `common.py` for every kind, and one file a kind."""
