"""Pure: how topics are laid out the first time, and that it is fixed from then on."""

import pytest

from schemas.gateway.file import TopicLayout
from shared.kafka.topic_layout import FoundTopic
from shared.operations.errors import Invalid, Refused
from shared.operations.layout_choice import LayoutWish, check_wish, first_layout, layout_found


@pytest.mark.parametrize(
    ("wish", "brokers", "numbers"),
    [
        (LayoutWish(), 1, (4, 1, 1)),
        (LayoutWish(), 2, (4, 2, 1)),
        (LayoutWish(), 3, (12, 3, 2)),
        (LayoutWish(), 9, (12, 3, 2)),
        (LayoutWish(24), 3, (24, 3, 2)),
        (LayoutWish(replication_factor=1), 3, (12, 1, 1)),
        (LayoutWish(30, 5, 3), 5, (30, 5, 3)),
    ],
)
def test_the_first_layout(wish: LayoutWish, brokers: int, numbers: tuple[int, int, int]) -> None:
    layout = first_layout(wish, brokers)
    assert (layout.partitions, layout.replication_factor, layout.min_insync) == numbers


@pytest.mark.parametrize(
    ("wish", "brokers", "sentence"),
    [
        (LayoutWish(replication_factor=3), 1, "--replication-factor 3: only 1 broker lives"),
        (LayoutWish(replication_factor=3), 2, "--replication-factor 3: only 2 brokers live"),
    ],
)
def test_too_few_brokers(wish: LayoutWish, brokers: int, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        first_layout(wish, brokers)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (LayoutWish(0), "--partitions 0: must be from 1 to"),
        (LayoutWish(10_001), "--partitions 10001: must be"),
        (LayoutWish(replication_factor=-1), "--replication-factor -1: must be"),
        (LayoutWish(min_insync=0), "--min-insync 0: must be"),
        (LayoutWish(None, 1, 2), "--min-insync 2 of 1 replicas: nothing could ever be written"),
        (LayoutWish(min_insync=2), "--min-insync 2 of 1 replicas"),
    ],
)
def test_numbers_that_cannot_be_meant(wish: LayoutWish, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        first_layout(wish, 1)


def test_it_is_fixed() -> None:
    layout = TopicLayout(partitions=4, replication_factor=1, min_insync=1)
    check_wish(LayoutWish(), layout)
    check_wish(LayoutWish(4, 1, 1), layout)
    with pytest.raises(Refused, match="--partitions 12: the topics of this installation have 4; it was chosen"):
        check_wish(LayoutWish(12), layout)
    with pytest.raises(Refused, match="--replication-factor 3: the topics of this installation have 1"):
        check_wish(LayoutWish(replication_factor=3), layout)


def test_topics_of_an_earlier_version_keep_what_they_have_and_may_be_given_min_insync() -> None:
    requests = FoundTopic(6, 3, 3)
    assert layout_found(requests, None, LayoutWish()).model_dump() == {
        "partitions": 6,
        "replication_factor": 3,
        "min_insync": 2,
    }
    assert layout_found(requests, None, LayoutWish(min_insync=1)).min_insync == 1
    assert layout_found(requests, 3, LayoutWish()).min_insync == 3, "chosen when they were made"
    assert layout_found(FoundTopic(6, 1, 1), 3, LayoutWish()).min_insync == 1, "set by somebody, and impossible"
