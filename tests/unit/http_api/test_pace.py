"""limits.tps at the door."""

import pytest

from services.http_api.pace import Paces


@pytest.mark.parametrize("tps", [1.0, 2.0, 100.0])
def test_a_second_s_worth_at_once_and_then_one_by_one(tps: float) -> None:
    paces = Paces()
    assert [paces.wait_s("a", tps, 10.0) for _ in range(int(tps))] == [0.0] * int(tps)
    assert paces.wait_s("a", tps, 10.0) == pytest.approx(1 / tps)
    assert paces.wait_s("b", tps, 10.0) == 0.0
    assert paces.wait_s("a", tps, 10.0 + 1 / tps) == 0.0
    assert paces.wait_s("a", tps, 10.0 + 1 / tps) > 0


def test_less_than_one_a_second() -> None:
    paces = Paces()
    assert paces.wait_s("a", 0.1, 0.0) == 0.0
    assert paces.wait_s("a", 0.1, 0.0) == pytest.approx(10.0)
    assert paces.wait_s("a", 0.1, 10.0) == 0.0
