"""Bounds of fields: of two for one field pydantic applies the last, the wider one of a type that has bounds itself."""

import importlib
import pkgutil
from collections import Counter

import pytest

import schemas
from schemas.segments import SegmentState
from schemas.wire import Wire

_ENDS = {"Ge": "low", "Gt": "low", "Le": "high", "Lt": "high"}

for module in pkgutil.iter_modules(schemas.__path__):
    importlib.import_module(f"schemas.{module.name}")


def models(base: type[Wire] = Wire) -> list[type[Wire]]:
    return [each for model in base.__subclasses__() for each in (model, *models(model))]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_a_field_has_one_bound_at_each_end(model: type[Wire]) -> None:
    for name, field in model.model_fields.items():
        ends = Counter(_ENDS[type(m).__name__] for m in field.metadata if type(m).__name__ in _ENDS)
        assert set(ends.values()) <= {1}, name


def test_a_segment_counts_from_one() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        SegmentState.model_validate({"index": 0, "octets": "", "step": "waiting"})
