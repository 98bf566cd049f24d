"""Pure: chosen fields of a JSON record, checked; fast for records as our own services write them, exact for all others.

A model validates every field of a record, which costs three times as much as reading it; the join wants 20 fields of
each of the two records of a message and keeps them as a tuple anyway.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final

import orjson

from schemas.wire import Wire


class FieldReader:
    """Reads `fields` (name to type) of records of `model` into a tuple in that order.

    An optional field (None in the model) is "" when absent. `fits` is a check of the tuple beyond types, for what the
    model would refuse too.
    """

    def __init__(
        self, model: type[Wire], fields: Mapping[str, type], fits: Callable[[tuple[Any, ...]], bool] | None = None
    ) -> None:
        self._model: Final = model
        self._types: Final = tuple(fields.values())
        self._get: Final[Callable[[Mapping[str, Any]], tuple[Any, ...]]] = itemgetter(*fields)
        self._fits: Final = fits
        found = {name: model.model_fields[name].get_default(call_default_factory=True) for name in fields}
        self._defaults: Final = {
            name: "" if default is None else default
            for name, default in found.items()
            if not model.model_fields[name].is_required()
        }

    def read(self, value: bytes | None) -> tuple[Any, ...]:
        """The fields; raises ValueError (pydantic's, with the first wrong field) when the model would."""
        try:
            found = orjson.loads(value or b"")
            try:
                values = self._get(found)
            except KeyError:
                values = self._get(self._defaults | found)
        except (ValueError, KeyError, TypeError):
            return self._read_slowly(value)
        if tuple(map(type, values)) != self._types or (self._fits is not None and not self._fits(values)):
            return self._read_slowly(value)
        return values

    def _read_slowly(self, value: bytes | None) -> tuple[Any, ...]:
        fields = self._model.from_json(value or b"").model_dump()
        return tuple("" if item is None else item for item in self._get(fields))
