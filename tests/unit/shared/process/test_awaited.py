"""Pure: what a stop waits for, in words and seconds."""

from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions
from schemas.gateway.file import AppliedConfig, Draining, Gateway
from schemas.gateway.values import SecretRef
from shared.process.awaited import awaited_sentence, doubt_sentence, stop_patience_s


def connector(connector_id: str, response_timeout_s: float) -> SmppConnector:
    options = SmppOptions(response_timeout_s=response_timeout_s)
    return SmppConnector(id=connector_id, host="h", port=1, system_id="x", password=SecretRef(env="X"), options=options)


def applied(*connectors: SmppConnector, draining: tuple[Draining, ...] = ()) -> AppliedConfig:
    gateway = Gateway(version=1, connectors=connectors)
    return AppliedConfig(hash="h", applied_at_ms=0, gateway=gateway, draining=draining)


def test_a_stop_takes_as_long_as_the_slowest_answer_and_a_little_more() -> None:
    assert stop_patience_s(None) == stop_patience_s(applied()) == 15
    assert stop_patience_s(applied(connector("a", 60), connector("b", 20))) == 75
    removed = Draining(connector=connector("slow", 120), removed_at_ms=0)
    assert stop_patience_s(applied(connector("a", 60), draining=(removed,))) == 135, "it is still bound"


def test_what_is_awaited() -> None:
    assert awaited_sentence({"acme-1": 3}, 42.4) == "3 answers of acme-1 are awaited, at most 42 s more"
    assert awaited_sentence({"acme-1": 1}, -1) == "1 answer of acme-1 is awaited, at most 0 s more"
    assert awaited_sentence({"b": 2, "a": 1}, 5) == "1 answer of a, 2 of b are awaited, at most 5 s more"


def test_what_is_in_doubt() -> None:
    assert doubt_sentence({"b": 2, "a": 1}).endswith("segments whose answer was awaited: 1 of a, 2 of b")
    assert doubt_sentence({}) == "no answer was awaited, as far as was known"
