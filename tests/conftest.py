"""Edge: the fixtures every test may ask for, each back end in a file of its own; and how hypothesis chooses examples.

A commit has the same examples on every machine: who sees a red test can see it again. `make explore` takes others.
"""

import gc
import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest

from shared.kafka import seam

pytest_plugins = ["tests.fixtures_clickhouse", "tests.fixtures_kafka"]

# A slow machine is no fault of the code: there is no deadline, and no verdict on how long examples take to make.
hypothesis.settings.register_profile(
    "explore", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("fixed", hypothesis.settings.get_profile("explore"), derandomize=True)
hypothesis.settings.load_profile("fixed")

os.environ.setdefault("SMSGW_API_PORT", "0")  # gateways of several workers run side by side

seam.install()  # as every process of ours does: many tests run services in this one


def pytest_collection_finish() -> None:
    """What was imported stays: nobody need look through it again (see `nothing_left_open`)."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """What a file of tests leaves open (clients, processes, files) fails that file, not one that happens to run when
    the rubbish is collected.
    """
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The commands silence logging for their process; here that would silence the tests that come after."""
    disabled = logging.root.manager.disable
    yield
    logging.disable(disabled)
