"""The pages about the HTTP door: what they ask is asked as it is written, and their answers are right."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.unit.http_api.listening import listening
from tests.unit.http_api.scene import KEY, CannedRows, Scene
from tests.unit.http_api.test_reads import ROW

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("http-api.md", "from-kannel.md", "from-jasmin.md")
AS_WRITTEN = "http://127.0.0.1:8080"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = {"event": "accepted", "at_ms": 5, "segment_index": 0, "connector_id": "acme-1", "reason": "", "detail": ""}
FINAL = {"status": "delivered", "final": 1, "segments_delivered": 1, "finished_ms": 1_780_000_002_000}


class Example(NamedTuple):
    """A request as a page writes it, and the answer behind it, where there is one."""

    page: str
    language: str
    text: str
    answer: str | None


def _examples() -> list[Example]:
    found = []
    for page in PAGES:
        blocks = [(match[1], match[2]) for match in BLOCK.finditer((DOCS / page).read_text(encoding="utf-8"))]
        for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
            if text.startswith("curl ") or language == "python":
                told = answer if following == "json" and language != "python" else None
                found.append(Example(page, language or "sh", text, told))
    return found


EXAMPLES = _examples()


def _shape(value: Any) -> Any:
    """What there is, without what it says."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return type(value).__name__


def _run(example: Example, folder: Path) -> str:
    (folder / "numbers.csv").write_text("to\n+447700900123\n+447700900124\n", encoding="utf-8")

    async def running() -> str:
        scene = Scene()
        scene.clickhouse = CannedRows([ROW | FINAL], [STEP])
        async with listening(scene) as port:
            text = example.text.replace(AS_WRITTEN, f"http://127.0.0.1:{port}")
            shell = ["bash", "-c", text.replace("curl ", "curl -sS --fail-with-body ", 1)]
            command = [sys.executable, "-c", text] if example.language == "python" else shell
            environment = os.environ | {"KEY": KEY}
            done = await asyncio.to_thread(
                subprocess.run, command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

    return asyncio.run(running())


def test_there_are_examples_of_both_kinds() -> None:
    assert {example.language for example in EXAMPLES} == {"sh", "python"}
    assert {example.page for example in EXAMPLES} == set(PAGES)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}-{example.text[:60]}")
def test_an_example_does_what_its_page_says(example: Example, tmp_path: Path) -> None:
    answer = _run(example, tmp_path)
    if example.answer is not None:
        assert _shape(json.loads(answer)) == _shape(json.loads(example.answer))
