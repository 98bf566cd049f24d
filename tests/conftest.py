"""Edge: the fixtures every test may ask for; each back end has a file of its own."""

pytest_plugins = ["tests.fixtures_clickhouse", "tests.fixtures_kafka"]
