"""Pure: the table of opt-outs."""

from services.ingress.opt_outs import OptOuts


def test_an_opt_out_is_of_one_account_or_of_every() -> None:
    table = OptOuts()
    assert not table.has("shop", "447700900123")
    table.apply(b"shop|447700900123", b"{}")
    table.apply(b"*|+4915112345678", b"{}")
    assert table.has("shop", "447700900123")
    assert not table.has("bank", "447700900123")
    assert table.has("bank", "4915112345678")


def test_a_tombstone_is_an_opt_in() -> None:
    table = OptOuts()
    table.apply(b"shop|447700900123", b"{}")
    table.apply(b"shop|447700900123", None)
    table.apply(b"shop|447700900999", None)
    assert not table.has("shop", "447700900123")
    assert len(table) == 0


def test_keys_that_name_nobody_are_ignored() -> None:
    table = OptOuts()
    for key in (None, b"", b"447700900123", b"\xff\xfe"):
        table.apply(key, b"{}")
    assert len(table) == 0
