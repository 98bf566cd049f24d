"""Pure: in the binder only `smpp/` knows SMPP, so that the next kind of connector is a folder beside it."""

import pytest

from tests.architecture.modules import imports_any, modules

WITHOUT_A_KIND = ("receive", "trace", "loop", "context", "channel", "outbox")
"""`test_connector_kinds.py` is stricter with lease and submit."""


@pytest.mark.parametrize("room", WITHOUT_A_KIND)
def test_the_rooms_of_the_binder_know_no_kind(room: str) -> None:
    prefix = f"services.binder.{room}"
    found = {
        name: hits
        for name, tree in modules().items()
        if name == prefix or name.startswith(f"{prefix}.")
        if (hits := imports_any(tree, "services.binder.smpp", "shared.smpp"))
    }
    assert found == {}


def test_the_lease_s_state_machine_and_the_journal_stand_on_nothing_of_the_binder() -> None:
    for name in ("services.binder.lease.machine", "services.binder.submit.journal"):
        assert imports_any(modules()[name], "services", "shared") == []
