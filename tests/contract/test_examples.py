"""Edge: the examples of every topic are records of its model, and what reads the topic by hand reads them too."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.dispatch import Dispatch
from schemas.feedback import Feedback
from schemas.gateway.file import AppliedConfig
from schemas.joins import JoinEntries
from schemas.lifecycle_events import LifecycleEvent
from schemas.payloads.kinds import PAYLOAD_MODELS
from schemas.reroutes import Reroute
from schemas.segments import SegmentedMessage
from schemas.submissions import Content
from schemas.submit_results import SubmitResult
from schemas.topics import (
    CONFIG_GATEWAY,
    FOLDS,
    INGRESS_KEYS,
    JOINS,
    LIFECYCLE_EVENTS,
    MT_REQUESTS,
    MT_REQUESTS_OTP,
    MT_SUBMISSIONS,
    RECEIPTS,
    SEGMENT_LANES,
    SUBMIT_RESULTS,
    TOPICS,
    Topic,
    dispatch_topic,
    segments_topic,
)
from services.binder.submit.dispatch_record import DispatchedSegment, read_dispatch
from services.cli.commands.schema import schemas
from services.correlator.fold import partition as fold
from services.correlator.join import entries as join_entries
from services.correlator.join.entries import read_result
from services.correlator.join.partition import JoinPartition
from services.correlator.join.receipts import read_receipt
from services.correlator.join.rules import JoinRules
from services.ingress.place import home_partition
from services.recorder.rows import problem_of
from services.throttler.connector.stay import read_stay
from shared.messages.admission import Admitted, admit
from shared.messages.routes import route_of
from tests.unit.ingress.scene import EVENTS, Record, applied, decider

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
EVERY_FILE = sorted(EXAMPLES.rglob("*.json"))
AT_MS = 1_790_000_000_123
"""When the messages of the examples were accepted."""


def folder(name: str) -> str:
    return name.replace("<connector>", "CONNECTOR")


BY_FOLDER = {folder(topic.name): topic for topic in TOPICS}


def label(file: Path) -> str:
    return "/".join(file.relative_to(EXAMPLES).with_suffix("").parts)


def topic_of(file: Path) -> Topic:
    return BY_FOLDER[file.relative_to(EXAMPLES).parts[0]]


def version_of(file: Path) -> int:
    return int(file.parent.name.removeprefix("v"))


FILES = [file for file in EVERY_FILE if version_of(file) == topic_of(file).model.CURRENT_VERSION]
OLDER_FILES = [file for file in EVERY_FILE if file not in FILES]


def value_of(file: Path) -> bytes:
    """As a producer would write it."""
    return orjson.dumps(orjson.loads(file.read_bytes()))


def of(*topics: str, files: list[Path] = FILES) -> list[Any]:
    """The values of all examples of `topics`, as parameters."""
    wanted = {folder(topic) for topic in topics}
    return [pytest.param(value_of(f), id=label(f)) for f in files if f.relative_to(EXAMPLES).parts[0] in wanted]


LANES = [segments_topic("<connector>", lane) for lane in SEGMENT_LANES]


def holds(whole: Any, part: Any) -> bool:
    """Whether everything that stands in `part` stands in `whole`, at every depth."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(holds, whole, part))
    return type(whole) is type(part) and bool(whole == part)


def test_every_topic_has_examples_and_every_example_a_topic() -> None:
    assert {file.relative_to(EXAMPLES).parts[0] for file in FILES} == set(BY_FOLDER)


def test_the_folder_is_the_version_of_the_record() -> None:
    for file in EVERY_FILE:
        assert orjson.loads(file.read_bytes()).get("schema_version", 1) == version_of(file), label(file)
        assert version_of(file) <= topic_of(file).model.CURRENT_VERSION


@pytest.mark.parametrize("file", OLDER_FILES, ids=label)
def test_a_record_of_an_older_version_is_read_as_if_it_were_a_present_one(file: Path) -> None:
    model = topic_of(file).model
    present = file.parents[1] / f"v{model.CURRENT_VERSION}" / file.name
    if model is Feedback:
        assert Feedback.from_json(value_of(file), str.lower) == Feedback.from_json(value_of(present))
    else:
        read = model.from_json(value_of(file)).model_copy(update={"schema_version": model.CURRENT_VERSION})
        assert read == model.from_json(value_of(present))


def test_the_throttled_answer_of_version_1() -> None:
    """It was the one answer whose meaning lay in a number."""
    answers = {
        outcome: {"id": "m/0/1/1", "offset": 1, "outcome": outcome, "command_status": 0x58, "answered_at_ms": 5}
        for outcome in ("temporary", "permanent")
    }
    record = {"schema_version": 1, "kind": "answers", "connector_id": "acme-1", "partition": 0}
    for word, outcome in (("throttled", "temporary"), ("permanent", "permanent")):
        (read,) = Feedback.from_json(orjson.dumps(record | {"answers": [answers[outcome]]})).answers
        assert (read.outcome, read.smsc_error, read.error_code) == (word, "0x00000058", 0x58)


@pytest.mark.parametrize("file", FILES, ids=label)
def test_an_example_is_a_record_of_its_topic(file: Path) -> None:
    """Strictly: nothing is converted, and no field is unknown to the model, at any depth.

    A configuration is read as loosely as its file: what pydantic has looked at before is no JSON to it any more.
    """
    model = topic_of(file).model
    parsed = model.model_validate_json(value_of(file), strict=model is not AppliedConfig)
    assert model.from_json(parsed.to_json()) == parsed
    assert holds(parsed.model_dump(mode="json", by_alias=True), orjson.loads(file.read_bytes()))


PUBLIC = [file for file in FILES if topic_of(file).public]


@pytest.mark.parametrize("file", PUBLIC, ids=label)
def test_a_public_example_fits_the_schema_that_is_exported(file: Path) -> None:
    schema = schemas()[topic_of(file).name]
    written = orjson.loads(file.read_bytes())
    assert set(schema["required"]) <= set(written) <= set(schema["properties"])
    for name, value in written.items():
        allowed = schema["properties"][name].get("enum")
        assert allowed is None or value in allowed


def test_together_the_public_examples_show_every_field() -> None:
    for topic in (topic for topic in TOPICS if topic.public and topic.name != MT_REQUESTS_OTP):
        shown = {name for f in PUBLIC if topic_of(f) is topic for name in orjson.loads(f.read_bytes())}
        assert shown == set(schemas()[topic.name]["properties"]), topic.name


def test_what_is_nested_as_text_is_a_record_too() -> None:
    dispatched = [Dispatch.from_json(p.values[0]).message for p in of(dispatch_topic("<connector>"))]
    lanes = of(*LANES)
    messages = [SegmentedMessage.from_json(p.values[0]) for p in lanes]
    messages += [SegmentedMessage.from_json(text) for text in dispatched if text]
    assert len(messages) > len(lanes)
    for message in messages:
        assert Content.model_validate_json(message.content, strict=True).max_segments


@pytest.mark.parametrize("value", of(MT_REQUESTS, MT_REQUESTS_OTP))
def test_ingress_admits_the_requests(value: bytes) -> None:
    assert isinstance(admit(value, AT_MS, "txn"), Admitted)


def test_ingress_makes_the_submission_and_the_key_out_of_the_request() -> None:
    def example(topic: str, name: str) -> Any:
        version = BY_FOLDER[topic].model.CURRENT_VERSION
        return orjson.loads((EXAMPLES / topic / f"v{version}" / f"{name}.json").read_bytes())

    request = example(MT_REQUESTS, "keyed-two-segments")
    home = home_partition(request["account_id"], request["idempotency_key"], 4)
    config = applied({"to": [{"connector": "acme-1"}]}, connectors=["acme-1"])
    record = Record(orjson.dumps(request), partition=home, offset=1041, timestamp=AT_MS)
    made = {out.topic: orjson.loads(out.value or b"") for out in decider(config, partitions=4).decide(record, AT_MS)}
    assert made[MT_SUBMISSIONS] == example(MT_SUBMISSIONS, "two-segments")
    assert made[INGRESS_KEYS] == example(INGRESS_KEYS, "taken")


@pytest.mark.parametrize("value", of("mt.reroutes"))
def test_a_rerouted_message_can_still_be_routed(value: bytes) -> None:
    reroute = Reroute.from_json(value)
    assert not reroute.pinned
    assert reroute.connector_id not in reroute.tried


@pytest.mark.parametrize("value", of(*LANES, files=EVERY_FILE))
def test_a_lane_record_names_its_route(value: bytes) -> None:
    message = SegmentedMessage.from_json(value)
    assert route_of(value) == route_of(message.to_json()) == (message.context.message_id, message.route_no)


@pytest.mark.parametrize("file", [f for f in OLDER_FILES if topic_of(f).name == JOINS], ids=label)
def test_the_join_restores_its_changelog_of_an_older_version(file: Path) -> None:
    present = file.parents[1] / f"v{JoinEntries.CURRENT_VERSION}" / file.name
    tables = [JoinPartition(0, EVENTS).table for _ in range(2)]
    for table, source in zip(tables, (file, present), strict=True):
        table.restore(b"positions" if file.stem == "positions" else b"acme|1", value_of(source))
    assert list(tables[0].items()) == list(tables[1].items())
    assert tables[0].positions == tables[1].positions


@pytest.mark.parametrize("value", of(*LANES, files=EVERY_FILE))
def test_the_throttler_begins_a_stay_with_each_lane_record(value: bytes) -> None:
    assert read_stay(value, SegmentedMessage.from_json(value).connector_id).waiting > 0


DISPATCHES = [file for file in EVERY_FILE if topic_of(file).model is Dispatch]


@pytest.mark.parametrize("file", DISPATCHES, ids=label)
def test_the_binder_reads_the_dispatches(file: Path) -> None:
    segment = read_dispatch(Record(value_of(file)))
    assert isinstance(segment, DispatchedSegment)
    payload = Dispatch.from_json(value_of(file)).payload
    assert segment.payload.submit_sm(1, 0).destination_addr == payload["destination_addr"]


@pytest.mark.parametrize("value", of(dispatch_topic("<connector>")))
def test_the_payload_of_a_dispatch_is_that_of_its_kind(value: bytes) -> None:
    written = orjson.loads(value)
    payload = PAYLOAD_MODELS[written["kind"]].model_validate_json(orjson.dumps(written["payload"]), strict=True)
    assert holds(payload.model_dump(mode="json"), written["payload"])


@pytest.mark.parametrize("value", of(SUBMIT_RESULTS, files=EVERY_FILE))
def test_the_join_reads_the_submit_results(value: bytes) -> None:
    entry, result = read_result(Record(value)).entry, SubmitResult.from_json(value)
    assert (entry.context, entry.segment_index) == (result.context, result.index)


@pytest.mark.parametrize("value", of(RECEIPTS))
def test_the_join_reads_the_receipts(value: bytes) -> None:
    written = orjson.loads(value)
    seen = read_receipt(Record(value), JoinRules())
    assert seen.smsc_message_id == written.get("smsc_message_id", "")
    assert (seen.status in {"delivered", "undeliverable"}) == bool(seen.smsc_message_id)


def test_the_state_of_the_correlator_is_packed_as_in_its_changelogs() -> None:
    joins = [found for p in of(JOINS) if (found := orjson.loads(p.values[0]).get("entries"))]
    folds = [found for p in of(FOLDS) if (found := orjson.loads(p.values[0]).get("entry"))]
    assert joins
    assert folds
    for entries in joins:
        assert orjson.loads(join_entries.pack(join_entries.unpack(orjson.dumps(entries)))) == entries
    for entry in folds:
        assert orjson.loads(fold.pack(fold.unpack(orjson.dumps(entry)))) == entry


@pytest.mark.parametrize("value", of(LIFECYCLE_EVENTS))
def test_the_recorder_takes_the_events_as_rows(value: bytes) -> None:
    assert problem_of(value, LifecycleEvent.from_json(value).occurred_at_ms) is None


@pytest.mark.parametrize("value", of(CONFIG_GATEWAY))
def test_a_configuration_has_no_secret_in_it(value: bytes) -> None:
    config = AppliedConfig.from_json(value)
    for connector in (*config.gateway.connectors, *(d.connector for d in config.draining)):
        assert set(connector.password.model_dump(exclude_none=True)) <= {"env", "file"}
