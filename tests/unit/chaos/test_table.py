"""Pure: the table counts a round in the row of each of its faults."""

from typing import Any

from tests.chaos.plan import Fault
from tests.chaos.table import full_table, short_table


def result(*faults: Fault, in_doubt: int = 0, lost: int = 0) -> dict[str, Any]:
    counts = {"lost": lost, "doubled": 0, "contradictions": 0, "in_doubt": in_doubt, "bound_twice": 1}
    return {"faults": [fault.as_dict() for fault in faults], **counts}


RESULTS = [
    result(Fault("kill", "binder"), Fault("kill", "ingress"), in_doubt=7),
    result(Fault("kill", "ingress"), Fault("config", "account"), lost=1),
    result(Fault("cut", "binder", "simulator"), in_doubt=2),
]


def test_a_row_for_each_kind_and_process() -> None:
    assert full_table(RESULTS).splitlines() == [
        "| fault | process | rounds | lost | doubled | contradictions | in doubt | binds above |",
        "|---|---|---|---|---|---|---|---|",
        "| config | account | 1 | 1 | 0 | 0 | 0 | 0 |",
        "| cut | binder to simulator | 1 | 0 | 0 | 0 | 2 | 1 |",
        "| kill | binder | 1 | 0 | 0 | 0 | 7 | 1 |",
        "| kill | ingress | 2 | 1 | 0 | 0 | 0 | 0 |",
    ]


def test_a_row_for_each_kind() -> None:
    assert short_table(RESULTS).splitlines()[-1] == "| kill | 2 | 1 | 0 | 0 | 7 | 1 |"


def test_doubt_that_nothing_explains_is_hidden_nowhere() -> None:
    table = full_table([result(Fault("kill", "ingress"), in_doubt=3)])
    assert table.endswith("| kill | ingress | 1 | 0 | 0 | 0 | 3 | 0 |")
