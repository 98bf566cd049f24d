import pytest

from shared.smpp.keepalive import KeepAlive


def keepalive(
    enquire_link_s: float = 30, timeout_s: float = 10, inactivity_s: float = 100, jitter: float = 0
) -> KeepAlive:
    return KeepAlive(enquire_link_s, timeout_s, inactivity_s, jitter, now=0.0)


def test_q23_no_enquire_link_while_traffic_flows() -> None:
    subject = keepalive()
    for now in range(0, 100, 29):
        assert subject.due(now) == "none"
        subject.heard(now)
    assert subject.next_deadline() == 87 + 30


@pytest.mark.parametrize(("jitter", "first"), [(0.0, 30.0), (0.5, 28.5), (1.0, 27.0)])
def test_q23_the_interval_is_shortened_by_a_tenth_at_most_and_never_longer(jitter: float, first: float) -> None:
    assert keepalive(jitter=jitter).next_deadline() == pytest.approx(first)


def test_q22_two_missed_enquire_links_are_the_end() -> None:
    subject = keepalive()
    assert [subject.due(now) for now in (29, 30, 39, 40, 49, 50)] == [
        "none",
        "enquire_link",
        "none",
        "enquire_link",
        "none",
        "enquire_link_unanswered",
    ]


def test_any_octet_in_between_saves_the_link() -> None:
    subject = keepalive()
    assert (subject.due(30), subject.due(40)) == ("enquire_link", "enquire_link")
    subject.heard(49)
    assert (subject.due(50), subject.next_deadline()) == ("none", 79)


def test_q24_silence_ends_the_session_when_enquire_link_is_off() -> None:
    subject = keepalive(enquire_link_s=0, inactivity_s=60)
    assert (subject.next_deadline(), subject.due(59.9), subject.due(60)) == (60, "none", "inactivity")


def test_q24_enquire_link_comes_at_half_of_inactivity_at_the_latest() -> None:
    assert keepalive(enquire_link_s=300, inactivity_s=60).next_deadline() == 30


def test_both_off_means_no_deadline() -> None:
    assert keepalive(enquire_link_s=0, inactivity_s=0).next_deadline() is None
