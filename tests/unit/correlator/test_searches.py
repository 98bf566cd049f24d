"""Receipts that may belong to several submissions, or be written in another way than these."""

from collections import Counter
from collections.abc import Callable

import pytest

from schemas.topics import SEARCHES
from services.correlator.join.due import CLOSED_KEEP_MS
from services.correlator.join.early import EARLY_KEEP_MS, EARLY_TELL_MS
from services.correlator.join.learning import MATCHES_MIN
from services.correlator.join.matching import numbers_fit
from tests.unit.correlator.join_world import JoinWorld, connector
from tests.unit.correlator.making import DEADLINE_MS, HOUR_MS

ANNA, BERT = "447700900001", "447700900002"
MINUTES_MS = EARLY_TELL_MS + 60_000


@pytest.mark.parametrize(
    ("one", "other", "fit"),
    [
        ("447700900123", "447700900123", True),
        ("447700900123", "+447700900123", True),
        ("447700900123", "07700900123", True),
        ("447700900123", "00447700900123", True),
        ("447700900123", "447700900124", False),
        ("447700900123", "900123", False),
        ("44123", "44123", True),
        ("447700900123", "SHOP", False),
        ("", "", False),
    ],
)
def test_two_spellings_of_one_number(one: str, other: str, fit: bool) -> None:
    assert numbers_fit(one, other) == numbers_fit(other, one) == fit


# -- the same id twice ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(ANNA, BERT), (BERT, ANNA)])
@pytest.mark.parametrize("early", [False, True])
def test_the_same_id_given_to_two_numbers_by_two_nodes_of_a_carrier(order: tuple[str, str], early: bool) -> None:
    world = JoinWorld(connector(message_id_format="raw"))
    for step in (early, not early):
        if step:
            for number in order:
                world.receive("77", "DELIVRD" if number == ANNA else "UNDELIV", source_addr=number)
        else:
            world.accept(1, "77", to=ANNA)
            world.accept(2, "77", to=BERT)
        world.run()
    assert (world.final(1), world.final(2)) == (["delivered"], ["undeliverable"])
    assert world.waiting() == 0


def test_a_receipt_that_comes_again_goes_to_its_own_number_though_that_has_ended() -> None:
    world = JoinWorld(connector(message_id_format="raw"))
    world.accept(1, "77", to=ANNA)
    world.accept(2, "77", to=BERT)
    for _ in range(2):
        world.receive("77", source_addr=ANNA)
        world.run()
    assert (world.final(1), world.final(2)) == (["delivered"], [])
    assert [e["message_id"][-1] for e in world.events("late_receipt")] == ["1"]


def test_without_a_number_that_fits_it_is_the_one_of_the_connector_then_the_newest() -> None:
    world = JoinWorld(connector("acme-1", message_id_format="raw"), connector("acme-2", message_id_format="raw"))
    world.accept(1, "77", to=ANNA, connector_id="acme-1")
    world.accept(2, "77", to=BERT, connector_id="acme-2")
    world.accept(3, "77", to=BERT, connector_id="acme-2")
    world.receive("77", source_addr="", connector_id="acme-1")
    world.run()
    assert world.final(1) == ["delivered"]
    world.receive("77", source_addr="masked", connector_id="acme-2")
    world.run()
    assert (world.final(2), world.final(3)) == ([], ["delivered"])


def test_a_receipt_is_not_about_a_message_that_was_not_there_yet() -> None:
    world = JoinWorld(connector(message_id_format="raw"))
    world.accept(1, "77", accepted_at_ms=world.now_ms + 61_000)
    world.receive("77")
    world.run()
    assert world.final(1) == []


# -- two ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_response", "receipt_id"), [("7", "tlv"), ("8", "text"), ("7", "auto"), ("8", "auto")])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("source_addr", ["447700900123", "masked"])
def test_the_id_that_counts_is_the_one_of_the_option_or_the_one_that_finds_an_entry(
    in_response: str, receipt_id: str, early: bool, source_addr: str
) -> None:
    world = JoinWorld(connector(message_id_format="raw", receipt_id=receipt_id))
    for step in (early, not early):
        if step:
            world.receive("8", in_tlv="7", source_addr=source_addr)
        else:
            world.accept(1, in_response)
        world.run()
    world.pass_time(world.now_ms + MINUTES_MS)
    assert world.final(1) == ["delivered"]
    assert world.waiting() == 0
    world.pass_time(world.now_ms + EARLY_KEEP_MS + HOUR_MS)
    reasons = {e["reason"] for e in world.events("orphan_receipt")}
    assert reasons <= ({"no_submission_yet"} if early and source_addr == "masked" else set())


@pytest.mark.parametrize(("in_response", "receipt_id"), [("8", "tlv"), ("7", "text")])
def test_where_the_option_is_wrong_it_is_found_after_minutes_by_its_number(in_response: str, receipt_id: str) -> None:
    world = JoinWorld(connector(message_id_format="raw", receipt_id=receipt_id))
    world.accept(1, in_response)
    world.receive("8", in_tlv="7")
    world.run()
    assert world.final(1) == []
    world.pass_time(world.now_ms + MINUTES_MS)
    assert world.final(1) == ["delivered"]
    assert [e["reason"] for e in world.events("orphan_receipt")] == ["no_submission_yet"]


# -- learning ---------------------------------------------------------------------------------------------------------

WRITERS: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "raw": (lambda n: str(n), lambda n: f"{n:012d}"),
    "hex": (lambda n: f"{n:X}", lambda n: str(n)),
    "dec": (lambda n: f"{n:010d}", lambda n: f"{n:x}"),
}
FIRST = 9_437_184


def _send(world: JoinWorld, written: str, numbers: range, *, early: bool = False, source_addr: str = "") -> None:
    in_response, in_receipt = WRITERS[written]
    for step in (early, not early):
        for number in numbers:
            to = f"4477{number:08d}"
            if step:
                world.receive(in_receipt(FIRST + 977 * number), source_addr=source_addr or to)
            else:
                world.accept(number, in_response(FIRST + 977 * number), to=to)
        world.run()


@pytest.mark.parametrize("written", WRITERS)
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_format_is_learned_and_what_came_before_is_joined(written: str, early: bool, processes: int) -> None:
    world = JoinWorld(processes=processes)
    _send(world, written, range(1, 60), early=early)
    assert world.learned.formats == {"acme": written}
    assert all(world.final(number) == ["delivered"] for number in range(1, 60)), world.finals()
    assert world.waiting() == 0
    (event,) = world.events("message_id_format")
    assert event["reason"] == written
    searches = sum(out.topic == SEARCHES for out in world.outs)
    _send(world, written, range(60, 90))
    assert all(world.final(number) == ["delivered"] for number in range(60, 90))
    assert sum(out.topic == SEARCHES for out in world.outs) == searches, "nothing is searched for any more"


def test_nothing_is_learned_before_there_are_enough_matches_and_each_is_joined_all_the_same() -> None:
    world = JoinWorld()
    _send(world, "hex", range(1, MATCHES_MIN))
    assert world.learned.formats == {}
    assert all(world.final(number) == ["delivered"] for number in range(1, MATCHES_MIN))
    _send(world, "hex", range(MATCHES_MIN, MATCHES_MIN + 1))
    assert world.learned.formats == {"acme": "hex"}


def test_while_it_learns_a_number_that_does_not_fit_is_taken_only_where_there_is_no_other_entry() -> None:
    """Hexadecimal ids that count up: the receipt of message 10 says 10, and so did the response to message 16."""
    world = JoinWorld()
    for number in range(1, 30):
        world.accept(number, f"{number:x}", to=f"4477{number:08d}")
    world.run()
    world.receive("10", source_addr="447700000010")
    world.receive("16", "UNDELIV", source_addr="447700000016")
    world.run()
    assert (world.final(10), world.final(16)) == (["delivered"], ["undeliverable"])
    assert set(world.finals()) == {f"018bcfe5-6800-7000-8000-{n:012x}" for n in (10, 16)}


def test_receipts_that_never_carry_the_number_are_joined_and_learned_from_where_one_entry_only_can_be_meant() -> None:
    world = JoinWorld()
    _send(world, "dec", range(1, 40), source_addr="hidden")
    assert world.learned.formats == {"acme": "dec"}
    assert all(world.final(number) == ["delivered"] for number in range(1, 40))


def test_early_ones_without_the_number_are_joined_once_the_format_is_known() -> None:
    world = JoinWorld()
    _send(world, "hex", range(1, 6), early=True, source_addr="hidden")
    assert world.finals() == {}
    _send(world, "hex", range(6, 40))
    assert world.learned.formats == {"acme": "hex"}
    assert all(world.final(number) == ["delivered"] for number in range(1, 40))
    assert world.waiting() == 0


def test_ids_that_are_no_numbers_are_raw_and_need_no_search() -> None:
    world = JoinWorld()
    for number in range(1, 30):
        world.accept(number, f"A{number}-x")
        world.receive(f"a{number}-X")
    world.run()
    assert world.learned.formats == {"acme": "raw"}
    assert all(world.final(number) == ["delivered"] for number in range(1, 30))
    assert not any(b'"search"' in (out.value or b"") for out in world.outs if out.topic == SEARCHES)


def test_it_is_learned_anew_when_matches_break_and_what_broke_is_joined_afterwards() -> None:
    world = JoinWorld()
    _send(world, "hex", range(1, 40))
    assert world.learned.formats == {"acme": "hex"}
    _send(world, "dec", range(40, 80))
    assert world.final(40) == []
    world.pass_time(world.now_ms + MINUTES_MS)
    assert world.learned.formats == {"acme": "dec"}
    assert all(world.final(number) == ["delivered"] for number in range(1, 80)), world.finals()
    assert [e["reason"] for e in world.events("message_id_format")] == ["hex", "dec"]
    _send(world, "dec", range(80, 90))
    assert all(world.final(number) == ["delivered"] for number in range(80, 90))


def test_some_that_differ_do_not_break_it() -> None:
    world = JoinWorld()
    _send(world, "raw", range(1, 40))
    _send(world, "hex", range(40, 50))
    world.pass_time(world.now_ms + MINUTES_MS)
    assert world.learned.formats == {"acme": "raw"}
    assert all(world.final(number) == ["delivered"] for number in range(1, 50)), "found by their numbers all the same"


def test_what_was_learned_so_far_survives_every_restart() -> None:
    world = JoinWorld(processes=2)
    for start in range(1, 41, 4):
        _send(world, "hex", range(start, start + 4))
        for number in range(4):
            world.start(number)
    assert world.learned.formats == {"acme": "hex"}
    assert all(world.final(number) == ["delivered"] for number in range(1, 41))
    assert len(world.events("message_id_format")) == 1


def test_an_option_that_is_corrected_joins_what_waits() -> None:
    world = JoinWorld(connector(message_id_format="raw"))
    _send(world, "hex", range(1, 10), source_addr="hidden")
    assert world.finals() == {}
    world.configure(message_id_format="hex")
    world.run()
    assert all(world.final(number) == ["delivered"] for number in range(1, 10))
    assert world.waiting() == 0


def test_every_receipt_becomes_one_event_and_nothing_is_left() -> None:
    world = JoinWorld()
    _send(world, "hex", range(1, 50))
    for number in range(300, 310):
        world.receive(str(FIRST + 977 * number), source_addr="447711112222")
    world.run()
    world.pass_time(DEADLINE_MS + CLOSED_KEEP_MS + EARLY_KEEP_MS + HOUR_MS)
    assert len(world.events("receipt")) == 49
    assert Counter(e["reason"] for e in world.events("orphan_receipt")) == {
        "no_submission_yet": 10,
        "no_submission": 10,
    }
    left = {key for c in world.cycles for p in c.partitions.values() for key, _ in p.table.items()}
    assert left == {b"acme||formats"}


# -- joined once more -------------------------------------------------------------------------------------------------


def test_a_replay_joins_what_was_given_up_and_changes_nothing_else() -> None:
    world = JoinWorld(connector(message_id_format="raw"))
    world.accept(1, "3E8", to=ANNA, deadline_at_ms=world.now_ms + 30 * 24 * HOUR_MS)
    world.accept(2, "3E9", to=ANNA, deadline_at_ms=world.now_ms + 60 * HOUR_MS)
    world.accept(3, "7")
    for written in ("1000", "1001", "7"):
        world.receive(written, source_addr="hidden")
    world.receive("8", "ENROUTE", source_addr="hidden")
    world.run()
    world.pass_time(world.now_ms + EARLY_KEEP_MS + HOUR_MS)
    assert (world.final(1), world.final(2), world.final(3)) == ([], ["receipt_missing"], ["delivered"])
    world.configure(message_id_format="hex")
    for _ in range(2):
        world.replay()
        world.run()
    assert (world.final(1), world.final(2), world.final(3)) == (["delivered"], ["receipt_missing"], ["delivered"])
    late = {e["event_id"]: e["message_id"][-1] for e in world.events("late_receipt")}
    assert list(late.values()) == ["2"]
    assert len({e["event_id"] for e in world.events("receipt")}) == 2
    assert world.waiting() == 0


# -- one receipt for a message ----------------------------------------------------------------------------------------


def test_with_one_receipt_for_a_message_acceptance_is_told_to_the_fold_and_the_receipt_says_so() -> None:
    world = JoinWorld(connector(message_id_format="raw"))
    for index in (1, 2, 3):
        world.accept(1, f"7{index}", index=index, segments=3, receipt_scope="message")
    world.receive("73", "UNDELIV")
    world.run()
    told = Counter((o["index"], o["outcome"], o["receipt_scope"]) for o in world.outcomes())
    assert told == Counter([*((index, "submitted", "message") for index in (1, 2, 3)), (3, "undeliverable", "message")])


def test_intermediate_notifications_that_were_not_asked_for_count_by_their_word() -> None:
    for asked, end in ((True, []), (False, ["undeliverable"])):
        world = JoinWorld(connector(message_id_format="raw", intermediate_receipts=asked))
        world.accept(1, "7", receipt="all")
        world.receive("7", "UNDELIV", esm_class=0x20)
        world.run()
        assert world.final(1) == end
