"""What the ledger promises: the last `size` are known, in bounded memory, and nothing of it comes in one go."""

from hypothesis import given
from hypothesis import strategies as st

from services.throttler.lanes.ledger import STEPS, Ledger


@given(size=st.integers(1, 40), numbers=st.lists(st.integers(0, 60), max_size=200))
def test_at_least_the_last_routes_are_known_and_hardly_more(size: int, numbers: list[int]) -> None:
    ledger = Ledger(size)
    new: list[int] = []
    for number in numbers:
        if ledger.add(f"m{number}", 0):
            assert number not in new[-size:]
            new.append(number)
        else:
            assert number in new
        assert len(ledger) <= size + -(-size // STEPS)
        assert len(ledger) >= min(size, len(new))


def test_routes_of_a_message_are_told_apart() -> None:
    ledger = Ledger()
    assert ledger.add("m", 0)
    assert ledger.add("m", 1)
    assert not ledger.add("m", 0)


def test_restored_routes_are_known() -> None:
    ledger = Ledger()
    ledger.restore((f"m{n}", 0) for n in range(1_000))
    assert len(ledger) == 1_000
    assert not any(ledger.add(f"m{n}", 0) for n in range(1_000))


def test_no_table_of_it_grows_to_where_making_it_anew_is_felt() -> None:
    """A call now and then that works on all of them holds up every OTP of the connector."""
    ledger = Ledger(8_000)
    for number in range(20_000):
        ledger.add(str(number), 0)
        assert len(ledger._steps[-1]) <= 1_000
    assert [len(step) for step in ledger._steps] == [1_000] * 9
