"""Edge: the `smsgw` command: talks to Kafka and ClickHouse by run.json or the environment; starts everything locally.

Reads config.*, *.states, mt.*, dead letters and ClickHouse; writes config.*, requests and replayed dead letters.
"""
