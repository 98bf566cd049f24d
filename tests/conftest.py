"""Edge: the fixtures every test may ask for; each back end has a file of its own."""

import logging
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.fixtures_clickhouse", "tests.fixtures_kafka"]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The commands silence logging for their process; here that would silence the tests that come after."""
    disabled = logging.root.manager.disable
    yield
    logging.disable(disabled)
