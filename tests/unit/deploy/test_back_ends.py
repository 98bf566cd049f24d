"""Edge: which Kafka and ClickHouse the fixtures take, by the environment."""

import pytest

from tests.containers import names
from tests.fixtures_containers import VARIABLE, back_end
from tests.unit.deploy.manifests import compose

ADDRESS = "SMSGW_KAFKA_BOOTSTRAP_SERVERS"


@pytest.mark.parametrize(
    ("chosen", "address", "expected"),
    [
        (None, None, "embedded"),
        (None, "there:9092", "external"),
        ("embedded", "there:9092", "embedded"),
        ("containers", None, "containers"),
        ("external", "there:9092", "external"),
    ],
)
def test_the_back_end(monkeypatch: pytest.MonkeyPatch, chosen: str | None, address: str | None, expected: str) -> None:
    for name, value in ((VARIABLE, chosen), (ADDRESS, address)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert back_end(ADDRESS) == expected


@pytest.mark.parametrize(("chosen", "said"), [("docker", "embedded, containers or external"), ("external", ADDRESS)])
def test_what_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch, chosen: str, said: str) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setenv(VARIABLE, chosen)
    with pytest.raises(ValueError, match=said):
        back_end(ADDRESS)


def test_the_images_are_those_of_the_compose_file() -> None:
    services = compose()["services"]
    assert (services["kafka"]["image"], services["clickhouse"]["image"]) == (names.KAFKA, names.CLICKHOUSE)
    assert services["ingress"]["image"] == names.OURS
