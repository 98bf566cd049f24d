"""Opt-outs as an account sees them."""

from services.http_api.opt_outs import OptOutList

SINCE = b'{"since_ms": 5, "source": "handset"}'


def _list() -> OptOutList:
    opt_outs = OptOutList()
    for key in (b"shop|447700900001", b"shop|SHOP|447700900002", b"*|447700900003", b"other|447700900004", b"nothing"):
        opt_outs.apply(key, SINCE)
    return opt_outs


def test_whom_it_concerns() -> None:
    opt_outs = _list()
    assert opt_outs.has("shop", "447700900001", "X") and opt_outs.has("shop", "447700900002", "SHOP")
    assert opt_outs.has("shop", "447700900003", "X") and opt_outs.has("other", "447700900003", "X")
    assert not opt_outs.has("shop", "447700900002", "X") and not opt_outs.has("shop", "447700900004", "X")
    assert opt_outs.numbers("shop", "", 9) == ["447700900001", "447700900002", "447700900003"]
    assert opt_outs.numbers("shop", "447700900001", 1) == ["447700900002"]


def test_an_opt_in_ends_it() -> None:
    opt_outs = _list()
    opt_outs.apply(b"shop|447700900001", b"[]")
    assert [(one.since_ms, one.source) for one in opt_outs.of("shop", "447700900001")] == [(0, "")]
    opt_outs.apply(b"shop|447700900001", None)
    opt_outs.apply(b"shop|SHOP|447700900002", None)
    assert opt_outs.numbers("shop", "", 9) == ["447700900003"]
