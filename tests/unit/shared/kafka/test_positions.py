"""Where a group has lost its place: by what is committed, with what it has begun, and what is still there."""

from aiokafka import TopicPartition

from shared.kafka.positions import LostPlace, lost_places, lost_position

NEW, GONE, OVERTAKEN, FINE, BEHIND = (TopicPartition("t", number) for number in range(5))
ALL = {NEW, GONE, OVERTAKEN, FINE, BEHIND}
BEGINS = {NEW: 7, GONE: 0, OVERTAKEN: 40, FINE: 5, BEHIND: 0}
COMMITTED = {OVERTAKEN: (30, ""), FINE: (5, ""), BEHIND: (9, "")}


def test_only_what_never_began_may_be_without_an_offset() -> None:
    lost = lost_places(ALL, COMMITTED, ALL - {NEW}, BEGINS)
    assert [(one.tp, one.deleted) for one in lost] == [(GONE, 0), (OVERTAKEN, 10)]
    assert [one.tp for one in lost_places(ALL, COMMITTED, set(), BEGINS)] == [OVERTAKEN]


def test_an_offset_behind_the_end_is_lost_where_somebody_looks() -> None:
    ends = dict.fromkeys(ALL, 50) | {BEHIND: 8, FINE: 5}
    assert BEHIND in {one.tp for one in lost_places(ALL, COMMITTED, ALL, BEGINS, ends)}
    assert FINE not in {one.tp for one in lost_places(ALL, COMMITTED, ALL, BEGINS, ends)}


def test_the_sentence_names_the_group_the_partition_and_what_to_do() -> None:
    lost = [LostPlace(GONE, None, 0), LostPlace(OVERTAKEN, 30, 40), LostPlace(BEHIND, 9, 0)]
    assert str(lost_position("ingress", lost)) == (
        "ingress has lost its place in t, partition 1: no committed offset, and 2 more; "
        "`smsgw topics adopt ingress` says where to go on"
    )
    assert [one.sentence() for one in lost[1:]] == [
        "t, partition 2: 10 offsets from 30 on were deleted unread",
        "t, partition 4: nothing lies at offset 9 or behind it",
    ]
