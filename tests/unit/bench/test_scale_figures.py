"""What a run of `make scale` comes to."""

from dataclasses import replace

from tests.bench.scale_figures import Outcome, Step, longest_gap_ms, misses, most_in_a_second, render

ONE = Step(1, 200.0, {"ingress": 40.0, "binder": 60.0}, None, 8, 200)
FOUR = Step(4, 200.0, {"ingress": 44.0, "binder": 65.0}, 1_900, 8, 200)
FINE = Outcome([ONE, FOUR], 8, 200, 1_000, 0, 0, 0)


def test_the_longest_time_without_a_submit() -> None:
    assert longest_gap_ms([90, 130, 210, 250, 999], 100, 300) == 80
    assert longest_gap_ms([], 100, 300) == 200
    assert longest_gap_ms([290, 110], 100, 300) == 180


def test_the_most_in_a_second() -> None:
    assert most_in_a_second([0, 500, 999, 1000, 1500]) == 3
    assert most_in_a_second([0, 500, 999, 1000, 1200, 1300]) == 5
    assert most_in_a_second([]) == 0


def test_what_misses_its_aim_is_said() -> None:
    assert misses(FINE) == []
    slow = replace(FOUR, us_per_message={"ingress": 60.0, "binder": 60.0}, pause_ms=2_001, binds_max=9, tps_max=211)
    assert misses(replace(FINE, steps=[ONE, slow], lost=1)) == [
        "4 instances: 20 % more CPU a message than one",
        "4 instances: a pause of 2001 ms at the change",
        "4 instances: 9 binds, max_binds are 8",
        "4 instances: 211 submits in a second, tps is 200",
        "1 lost",
    ]
    assert "MISSED 1 doubled" in render(replace(FINE, doubled=1))
    assert render(FINE).splitlines()[0].split() == [
        "instances", "messages/s", "ingress", "binder", "all", "µs/msg", "pause", "ms", "binds", "tps",
    ]  # fmt: skip
