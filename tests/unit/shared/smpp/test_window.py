from shared.smpp.constants import SEQUENCE_NUMBER_MAX, SmppCommand
from shared.smpp.window import Window

SUBMIT, RESP = SmppCommand.SUBMIT_SM, SmppCommand.SUBMIT_SM_RESP


def window(size: int = 3, timeout_s: float = 60.0, late: int = 2, first: int = 1) -> Window:
    return Window(size, timeout_s, late, first)


def fill(subject: Window, tokens: str, now: float = 0.0) -> list[int]:
    numbers = []
    for token in tokens:
        numbers.append(subject.take_sequence_number())
        subject.add(numbers[-1], token, SUBMIT, now)
    return numbers


def control(subject: Window, command_id: int) -> int:
    number = subject.take_sequence_number()
    subject.add_control(number, command_id)
    return number


def test_q30_sequence_numbers_wrap_and_skip_what_is_in_flight() -> None:
    subject = window(first=SEQUENCE_NUMBER_MAX - 1)
    assert fill(subject, "ab") == [SEQUENCE_NUMBER_MAX - 1, SEQUENCE_NUMBER_MAX]
    assert fill(subject, "c") == [1]
    again = window(first=1)
    again.add(1, "old", SUBMIT, 0.0)
    again.add(2, "older", SUBMIT, 0.0)
    assert again.take_sequence_number() == 3


def test_q30_a_number_whose_answer_may_still_come_late_is_not_used_again() -> None:
    subject = window(first=1)
    fill(subject, "a")
    assert [request.token for request in subject.expire(60.0)] == ["a"]
    subject._next = 1
    assert subject.take_sequence_number() == 2


def test_an_answer_takes_a_request_out_once_and_only_if_it_is_its_own() -> None:
    subject = window()
    (number,) = fill(subject, "a")
    assert subject.answer(number, SmppCommand.DATA_SM_RESP) is None
    taken = subject.answer(number, RESP)
    assert taken is not None
    assert taken.token == "a"
    assert subject.answer(number, RESP) is None
    assert (len(subject), subject.free) == (0, 3)


def test_requests_expire_at_their_deadline_oldest_first() -> None:
    subject = window()
    fill(subject, "a", now=0.0)
    fill(subject, "bc", now=5.0)
    assert subject.next_deadline() == 60.0
    assert [request.token for request in subject.expire(59.9)] == []
    assert [request.token for request in subject.expire(65.0)] == ["a", "b", "c"]
    assert subject.next_deadline() is None


def test_late_tokens_are_bounded_and_told_once() -> None:
    subject = window(size=3, late=2)
    first, second, _ = fill(subject, "abc")
    subject.expire(60.0)
    assert subject.forget_late(first, None) is None
    late = subject.forget_late(second, None)
    assert late is not None
    assert (late.token, subject.forget_late(second, None)) == ("b", None)


def test_a_late_answer_of_another_kind_is_none() -> None:
    subject = window()
    (number,) = fill(subject, "a")
    subject.expire(60.0)
    assert subject.forget_late(number, SmppCommand.QUERY_SM_RESP) is None
    late = subject.forget_late(number, SmppCommand.SUBMIT_SM_RESP)
    assert late is not None
    assert late.token == "a"


def test_without_a_timeout_nothing_expires() -> None:
    subject = window(timeout_s=0)
    fill(subject, "a")
    assert subject.next_deadline() is None
    assert subject.expire(1e12) == []
    assert [request.token for request in subject.abandon()] == ["a"]


def test_controls_take_no_room_and_are_answered_once() -> None:
    subject = window(size=1)
    number = control(subject, SmppCommand.ENQUIRE_LINK)
    assert subject.free == 1
    assert subject.answer_control(number, SmppCommand.UNBIND_RESP) is None, "not its response; it still waits"
    assert subject.answer_control(number, SmppCommand.ENQUIRE_LINK_RESP) == SmppCommand.ENQUIRE_LINK
    assert subject.answer_control(number, SmppCommand.ENQUIRE_LINK_RESP) is None
    assert subject.answer_control(control(subject, SmppCommand.UNBIND), None) == SmppCommand.UNBIND, "nacked"


def test_controls_can_be_forgotten_by_their_command() -> None:
    subject = window()
    unbind, *asked = (control(subject, c) for c in (SmppCommand.UNBIND, *[SmppCommand.ENQUIRE_LINK] * 2))
    subject.forget_controls(SmppCommand.ENQUIRE_LINK)
    assert [subject.answer_control(number, None) for number in asked] == [None, None]
    assert subject.answer_control(unbind, None) == SmppCommand.UNBIND


def test_a_nack_without_a_number_refuses_the_only_thing_that_waits() -> None:
    subject = window()
    assert subject.answer_nameless() is None
    control(subject, SmppCommand.BIND_TRANSCEIVER)
    control(subject, SmppCommand.ENQUIRE_LINK)
    assert subject.answer_nameless() is None, "it may be either"
    subject.forget_controls(SmppCommand.ENQUIRE_LINK)
    (number,) = fill(subject, "a")
    assert subject.answer_nameless() is None, "or a request"
    subject.answer(number, None)
    assert subject.answer_nameless() == SmppCommand.BIND_TRANSCEIVER
    assert subject.answer_nameless() is None
