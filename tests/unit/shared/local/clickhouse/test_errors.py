"""Unit tests of error texts and statuses."""

import pytest

from shared.local.clickhouse.errors import READONLY, ClickHouseError, EngineError, http_status


def test_engine_errors_keep_their_code_and_lose_the_wrapping() -> None:
    error = EngineError("Streaming insert finish failed: Code: 27. DB::Exception: Cannot parse: (at row 2)")
    assert (error.code, error.text) == (27, "Code: 27. DB::Exception: Cannot parse: (at row 2)")


def test_texts_without_a_code_are_unknown_exceptions() -> None:
    assert EngineError("something else").code == 1002


def test_own_refusals_have_the_same_shape() -> None:
    error = ClickHouseError(READONLY, "No.")
    assert error.text == "Code: 164. DB::Exception: No. (READONLY)"
    assert EngineError(error.text).code == error.code


@pytest.mark.parametrize(("code", "status"), [(60, 404), (62, 400), (516, 403), (241, 500), (1002, 500), (159, 408)])
def test_http_status(code: int, status: int) -> None:
    assert http_status(code) == status
