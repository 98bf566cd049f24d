"""The line that tells what happened lately."""

from services.simulator.rates import Totals, is_quiet, rate_line


def test_the_rate_line() -> None:
    before = Totals()
    after = Totals(accepted=1000, refused=10, receipts=995, mo=5, queued=7, binds={"alpha": 2, "beta": 0})
    assert rate_line(before, after, 5.0) == (
        "submits 200/s, refused 2/s, receipts 199/s, mo 1/s, 7 queued, binds: alpha 2"
    )
    assert rate_line(after, after, 5.0).endswith("binds: alpha 2")
    assert rate_line(before, before, 5.0).endswith("binds: none")
    assert is_quiet(after, after)
    assert not is_quiet(before, after)
