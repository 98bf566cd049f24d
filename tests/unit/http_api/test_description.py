"""The HTTP API against its own description: schemathesis makes requests, good and bad, and compares the answers."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.unit.http_api.scene import KEY, MESSAGE_ID, Scene
from tests.unit.http_api.test_reads import ROW

EXAMPLES = 40
"""Of each call: all of them take some 20 s together."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


class _AnyRows:
    """A ClickHouse that has one row for everything."""

    async def rows(self, query: str, parameters: dict[str, object]) -> list[dict[str, object]]:
        if "count()" in query:
            return [{"status": "delivered", "messages": 3}]
        step = {"event": "submitted", "at_ms": 5, "segment_index": 1, "connector_id": "a", "reason": "", "detail": ""}
        return [ROW | step | {"first_id": MESSAGE_ID}]


def _schema() -> schemathesis.BaseSchema:
    scene = Scene()
    scene.clickhouse = _AnyRows()
    scene.opt_outs.apply(b"shop|447700900001", b'{"since_ms": 1}')
    return schemathesis.openapi.from_asgi("/openapi.json", scene.app())


SCHEMA = _schema()
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_are_as_described(name: str) -> None:
    operation = OPERATIONS[name]

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKS)

    ask()
