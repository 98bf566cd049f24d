"""The private names of aiokafka: a version that lacks one is told by name, before the first client."""

import pytest
from aiokafka.consumer.fetcher import Fetcher

from shared.kafka import seam
from shared.kafka.client import connection_options
from shared.process.settings import Settings


def test_the_installed_aiokafka_has_every_name_that_is_used() -> None:
    assert seam.missing_names() == []


def test_a_name_that_a_new_version_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Fetcher, "_create_fetch_waiter")
    monkeypatch.setitem(seam.PRIVATE_NAMES, "aiokafka.consumer:AIOKafkaConsumer", ("_no_such_attribute",))
    monkeypatch.setattr(seam, "_installed", False)
    with pytest.raises(seam.SeamBroken, match=r"AIOKafkaConsumer\._no_such_attribute.*Fetcher\._create_fetch_waiter"):
        seam.install()


def test_no_client_is_made_before_the_replacements_are_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "_installed", False)
    with pytest.raises(seam.SeamBroken, match="install"):
        connection_options(Settings(kafka_bootstrap_servers="127.0.0.1:9092"))
