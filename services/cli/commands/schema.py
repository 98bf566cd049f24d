"""Edge: `smsgw schema`: JSON Schema of every topic, and the AsyncAPI document of the public ones."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from schemas.topics import TOPICS
from services.cli.errors import CliError
from services.cli.output import console, print_json
from services.cli.runtime import KAFKA_VARIABLE
from shared.operations.errors import ManyInvalid
from shared.process.settings import SettingsError, read_settings


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by topic name (families with `<connector>`), in flow order."""
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


def asyncapi(file: Path | None, *, server: str | None, as_yaml: bool) -> int:
    """The AsyncAPI 3 document of the public topics, to `file`, else to standard output."""
    from shared.membership.frame import public_document  # FastStream: half a second that no other command needs

    address = server or os.environ.get(KAFKA_VARIABLE) or "localhost:9092"
    try:
        document = public_document(read_settings(kafka_bootstrap_servers=address))
    except SettingsError as error:
        raise ManyInvalid(str(error).splitlines()) from None
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True) if as_yaml else json.dumps(document, indent=2)
    if file is None:
        sys.stdout.write(f"{text.rstrip()}\n")
        return 0
    try:
        file.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    except OSError as error:
        raise CliError(f"cannot write {file}: {error.strerror}") from error
    return 0
