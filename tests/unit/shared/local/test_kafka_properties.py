"""The configuration of the embedded broker."""

from pathlib import PurePosixPath

import pytest

from shared.local.kafka_properties import BrokerPlace, render_properties, server_properties


def place(log_dir: str = "/data/log") -> BrokerPlace:
    return BrokerPlace("127.0.0.1", 9092, 9093, PurePosixPath(log_dir))


def test_addresses_are_loopback_and_agree() -> None:
    properties = server_properties(place())
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:9093"


def test_what_one_node_needs() -> None:
    """Kafka's defaults for these need three brokers, or create topics by accident."""
    properties = server_properties(place())
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["group.initial.rebalance.delay.ms"] == "0"
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert properties[f"{topic}.replication.factor"] == "1"
        assert properties[f"{topic}.num.partitions"] == "4"


def test_a_comma_would_be_two_directories() -> None:
    with pytest.raises(ValueError, match="without a comma"):
        server_properties(place("/data/a,b"))


def test_text_is_escaped_for_java() -> None:
    assert render_properties({"log.dirs": "/data/a b"}) == "log.dirs=/data/a\\u0020b\n"
    assert render_properties({"log.dirs": "/дом\\😀"}) == ("log.dirs=/\\u0434\\u043e\\u043c\\u005c\\ud83d\\ude00\n")
