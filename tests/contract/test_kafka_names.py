"""Pure: what running installations have in Kafka beside records: group names, ids, and the metadata of commits."""

import pytest

from schemas.commit_marks import BinderMark, StageMark, ThrottlerMark, Writer
from schemas.groups import CONSUMER_GROUPS, GROUPS_OF, static_member, transactional_id, writer_id
from schemas.topics import EVERY_SERVICE


def test_groups_and_ids_stay_what_they_are() -> None:
    assert tuple(GROUPS_OF) == EVERY_SERVICE
    assert CONSUMER_GROUPS == (
        "ingress", "ingress-otp", "encoder", "encoder-otp", "throttler", "binder", "correlator-join",
        "correlator-fold", "recorder", "scheduler",
    )  # fmt: skip
    assert static_member("ingress-otp", "0") == transactional_id("ingress-otp", "0") == "ingress-otp-0"
    assert writer_id("ingress-otp", "0", "1f2e3d4c") == "ingress-otp-0-1f2e3d4c"


def test_the_metadata_of_commits_stays_octet_by_octet() -> None:
    assert ThrottlerMark(3, 4, 5).to_text() == '{"L":3,"f":4,"e":5}'
    assert BinderMark(3, 4, 5, 4).to_text() == '{"L":3,"e":4,"f":5}'
    assert BinderMark(3, 4, 5, 2).to_text() == '{"L":3,"e":4,"f":5,"v":2}'
    assert StageMark(1_790_000_000_000).to_text() == '{"t":1790000000000}'
    mark = StageMark(1_790_000_000_000, 7, Writer("encoder-0-ab", 12))
    assert mark.to_text() == '{"t":1790000000000,"m":7,"w":"encoder-0-ab","p":12}'


@pytest.mark.parametrize(
    "mark",
    [StageMark(0), StageMark(5, 7), StageMark(5, writer=Writer("encoder-0-ab", 0)), StageMark(5, 7, Writer("", 3))],
)
def test_the_mark_of_a_stage_comes_back(mark: StageMark) -> None:
    assert StageMark.from_text(mark.to_text()) == mark


def test_what_earlier_versions_committed_is_read() -> None:
    assert StageMark.from_text("1790000000000") == StageMark(1_790_000_000_000)
    assert StageMark.from_text("1790000000000 7") == StageMark(1_790_000_000_000, 7)


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "-1", "1.5", "\u00b2", "1" * 19, "1 ", " 1", "1 2 3", "1 x", "[]", "null", '{"L":1}', '{"t":-1}',
        '{"t":1,"w":"x"}', '{"t":1,"p":1}', '{"t":1,"w":1,"p":1}', '{"w":"x","p":1}',
    ],
)  # fmt: skip
def test_what_is_no_mark_of_a_stage_is_none(text: str) -> None:
    assert StageMark.from_text(text) is None
