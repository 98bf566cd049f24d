"""Pure: what running installations have in Kafka beside records: group names, ids, and the metadata of commits."""

import pytest

from schemas.commit_marks import BinderMark, CommitTime, ThrottlerMark
from schemas.groups import CONSUMER_GROUPS, GROUPS_OF, static_member, transactional_id
from schemas.topics import EVERY_SERVICE


def test_groups_and_ids_stay_what_they_are() -> None:
    assert tuple(GROUPS_OF) == EVERY_SERVICE
    assert CONSUMER_GROUPS == (
        "ingress", "ingress-otp", "encoder", "encoder-otp", "throttler", "binder", "correlator-join",
        "correlator-fold", "recorder",
    )  # fmt: skip
    assert static_member("ingress-otp", "0") == transactional_id("ingress-otp", "0") == "ingress-otp-0"


def test_the_metadata_of_commits_stays_octet_by_octet() -> None:
    assert ThrottlerMark(3, 4, 5).to_text() == '{"L":3,"f":4,"e":5}'
    assert BinderMark(3, 4, 5, 4).to_text() == '{"L":3,"e":4,"f":5}'
    assert BinderMark(3, 4, 5, 2).to_text() == '{"L":3,"e":4,"f":5,"v":2}'
    assert CommitTime(1_790_000_000_000).to_text() == "1790000000000"
    assert CommitTime(1_790_000_000_000, 7).to_text() == "1790000000000 7"


def test_a_commit_time_comes_back() -> None:
    assert CommitTime.from_text("1790000000000") == CommitTime(1_790_000_000_000)
    assert CommitTime.from_text("1790000000000 7") == CommitTime(1_790_000_000_000, 7)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "\u00b2", "1" * 19, '{"L":1}', "1 ", " 1", "1 2 3", "1 x"])
def test_what_is_no_commit_time_is_none(text: str) -> None:
    assert CommitTime.from_text(text) is None
