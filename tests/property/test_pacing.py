"""Edge: properties of rate, shares, lanes and credits, for any numbers."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import SEGMENT_LANES
from services.throttler.connector.credits import AnswerTime, bind_limit, credit_limit
from services.throttler.connector.pacing import SECOND_US, TokenBucket, grant, share_of, spacing_us, split_tps
from services.throttler.lanes.picker import LanePicker
from tests.unit.throttler.world import World, message, policy

RATES = st.integers(1, 20_000)
BINDS = st.sets(st.integers(0, 30), max_size=8)


@given(tps=RATES, steps=st.lists(st.tuples(st.integers(-50, 2_000), st.integers(0, 5_000)), max_size=60))
def test_never_more_than_the_rate_plus_the_capacity(tps: int, steps: list[tuple[int, int]]) -> None:
    now_ms = 1_000_000
    bucket = TokenBucket(tps, now_ms)
    taken: list[tuple[int, int]] = []
    for step_ms, wish in steps:
        now_ms += step_ms
        tokens = min(wish, bucket.refill(now_ms))
        bucket.take(tokens)
        taken.append((now_ms, tokens))
    forward = 0
    spent = 0
    for (before_ms, _), (after_ms, tokens) in zip([(1_000_000, 0), *taken], taken, strict=False):
        forward += max(0, after_ms - before_ms)
        spent += tokens
    assert spent * 1_000 <= tps * forward


@given(tps=RATES, step_ms=st.integers(1, 240))
def test_no_token_is_lost_to_rounding(tps: int, step_ms: int) -> None:
    bucket = TokenBucket(tps, 0)
    spent = 0
    for now_ms in range(step_ms, 10_000 + step_ms, step_ms):
        tokens = bucket.refill(now_ms)
        bucket.take(tokens)
        spent += tokens
    assert spent >= tps * 10 - tps * step_ms // 1_000 - 3  # the ends of the count


@given(tps=RATES, now_ms=st.integers(0, 2_000))
def test_the_next_token_is_there_when_it_was_promised(tps: int, now_ms: int) -> None:
    bucket = TokenBucket(tps, 0)
    bucket.take(bucket.refill(now_ms))
    due_ms = bucket.next_token_ms(now_ms)
    assert bucket.refill(due_ms - 1) == 0 or due_ms == now_ms
    assert bucket.refill(due_ms) >= 1


@given(tps=RATES, binds=BINDS)
def test_shares_are_whole_and_sum_to_the_rate(tps: int, binds: set[int]) -> None:
    shares = split_tps(tps, binds)
    assert set(shares) == binds
    assert sum(shares.values()) == (tps if binds else 0)
    assert not shares or max(shares.values()) - min(shares.values()) <= 1


@given(share=st.integers(1, 100_000))
def test_a_second_holds_no_more_submits_than_the_share(share: int) -> None:
    assert spacing_us(share) * share >= SECOND_US
    assert SECOND_US / spacing_us(share) <= share_of(spacing_us(share)) <= share


@given(
    tps=RATES,
    moves=st.lists(st.tuples(RATES, BINDS, st.sets(st.integers(0, 30))), min_size=1, max_size=12),
)
def test_binds_together_are_never_allowed_more_than_the_rate(
    tps: int, moves: list[tuple[int, set[int], set[int]]]
) -> None:
    """Rates and binds change at will; what was dispatched with a share stays in force until it is answered."""
    granted: dict[int, int] = {}
    in_force: dict[int, int] = {}
    live: set[int] = set()
    tps_now = rate = tps
    for tps_now, live, answered in moves:  # the last ones are used below
        rate = max(rate, tps_now)  # what lies at the binds was within an earlier rate
        in_force = {bind: share for bind, share in in_force.items() if bind not in answered}
        granted = grant(tps_now, split_tps(tps_now, live), granted, in_force)
        assert sum(granted.values()) <= tps_now
        assert sum(max(granted.get(b, 0), in_force.get(b, 0)) for b in live | set(in_force)) <= rate
        in_force |= {b: max(share, in_force.get(b, 0)) for b, share in granted.items() if share}
    granted = grant(tps_now, split_tps(tps_now, live), granted, {})
    granted = grant(tps_now, split_tps(tps_now, live), granted, {})
    assert granted == split_tps(tps_now, live)


@given(waiting=st.sets(st.sampled_from(SEGMENT_LANES), min_size=1), before=st.lists(st.sampled_from(SEGMENT_LANES)))
def test_floors_priority_and_half_for_retries(waiting: set[str], before: list[str]) -> None:
    picker = LanePicker()
    for lane in before:
        picker.pick({lane})
    picks = [picker.pick(waiting) for _ in range(200)]
    counts = Counter(picks)
    assert set(picks) <= waiting
    for lane in waiting:
        assert counts[lane] >= 19
    if "retry" in waiting and len(waiting) > 1:
        assert counts["retry"] == 100
    first = min(waiting - {"retry"}, key=SEGMENT_LANES.index, default="retry")
    assert counts[first] == max(counts[lane] for lane in (waiting - {"retry"} or waiting))


@given(tps=RATES, window=st.integers(1, 1_000), binds=BINDS, answer_ms=st.integers(0, 60_000))
def test_credit_bounds(tps: int, window: int, binds: set[int], answer_ms: int) -> None:
    shares = split_tps(tps, binds)
    limit = credit_limit(tps, window, shares, answer_ms)
    working = sum(1 for share in shares.values() if share)
    assert working <= limit <= max(working, 2 * window * working, 0)
    assert limit <= max(working, tps * (answer_ms + 100) // 1000 + 1)
    assert all(bind_limit(window, share, answer_ms) >= 1 for share in shares.values())


def test_answer_time_follows_and_ignores_pauses() -> None:
    answer_time = AnswerTime()
    for _ in range(60):
        answer_time.sample(1_000, 1_020, 1_050)
    assert 45 <= answer_time.smoothed_ms <= 55
    answer_time.sample(1_000, 1_020, 9_999_999)
    assert answer_time.smoothed_ms < 120


class Socket:
    """A bind that keeps the spacing of its dispatches, and an SMSC that answers after `answer_ms`."""

    def __init__(self, answer_ms: int) -> None:
        self.answer_ms = answer_ms
        self.due_us = 0
        self.read = 0
        self.submits: list[tuple[int, int]] = []
        """(time in microseconds, offset)"""

    def take(self, world: World, partition: int) -> None:
        for offset, dispatch in enumerate(world.dispatches(partition)[self.read :], self.read):
            at_us = max(self.due_us, world.now_ms * 1_000)
            self.submits.append((at_us, offset))
            self.due_us = at_us + dispatch.spacing_us
            self.read = offset + 1

    def answer(self, world: World, partition: int) -> None:
        ready = {
            offset: at_us // 1_000
            for at_us, offset in self.submits
            if at_us + self.answer_ms * 1_000 <= world.now_ms * 1_000 and (partition, offset) not in world.answered
        }
        if ready:
            world.answer(ready, partition=partition, submitted_at_ms=ready)


@settings(max_examples=20, deadline=None)
@given(tps=st.integers(1, 120), binds=st.integers(1, 4), answer_ms=st.integers(0, 60), step_ms=st.integers(5, 90))
def test_at_the_socket_never_more_than_tps_and_nearly_all_of_it(
    tps: int, binds: int, answer_ms: int, step_ms: int
) -> None:
    """Binds come one after the other; the rate at the sockets together is counted in every second."""
    world = World(policy(tps=tps, window=200, max_binds=4))
    world.publish(*(message(n) for n in range(tps * 6)))
    sockets = [Socket(answer_ms) for _ in range(binds)]
    start_ms = world.now_ms
    while world.now_ms < start_ms + 5_000:
        up = min(binds, 1 + (world.now_ms - start_ms) // 500)
        world.bind(*(p for p in range(up) if p not in world.leases))
        world.cycle()
        for partition, socket in enumerate(sockets):
            socket.take(world, partition)
            socket.answer(world, partition)
        world.now_ms += step_ms
    times = sorted(at_us for socket in sockets for at_us, _ in socket.submits if at_us < world.now_ms * 1_000)
    for first, beyond in zip(times, times[tps:], strict=False):
        assert beyond - first >= SECOND_US - len(sockets), "more than tps in one second"
    steady = [t for t in times if t >= (start_ms + 3_000) * 1_000]
    assert len(steady) >= 0.98 * tps * (world.now_ms - start_ms - 3_000) / 1_000 - 3  # the ends of the count
