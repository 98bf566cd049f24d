"""Edge: `smsgw schema export`: JSON Schema of every topic, from the models that the services use."""

import json
from pathlib import Path
from typing import Any

from schemas.topics import TOPICS
from services.cli.errors import CliError
from services.cli.output import console, print_json


def schemas() -> dict[str, dict[str, Any]]:
    """By topic name (families with `<connector>`), in flow order."""
    return {topic.name: topic.model.model_json_schema(by_alias=True) for topic in TOPICS}


def export(directory: Path | None, *, as_json: bool) -> int:
    """To files `<topic>.json` in `directory` (made if need be), else one object to standard output."""
    found = schemas()
    if directory is None:
        print_json(found)
        return 0
    try:
        directory.mkdir(parents=True, exist_ok=True)
        files = []
        for name, schema in found.items():
            file = directory / f"{name.replace('<connector>', 'CONNECTOR')}.json"
            file.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            files.append(str(file))
    except OSError as error:
        raise CliError(f"cannot write to {directory}: {error.strerror}") from error
    print_json({"files": files}) if as_json else console.print(f"{len(files)} schemas in {directory}")
    return 0
