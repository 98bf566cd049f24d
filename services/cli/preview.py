"""Edge: `smsgw preview`: what a text would cost, before it is sent."""

import sys
from pathlib import Path
from typing import Any, get_args

from schemas.wire import NIL_UUID, EncodingWish
from services.cli.errors import EXIT_FAILED, Invalid
from services.cli.output import console, print_json
from shared.sms.message import ConnectorProfile, EncodeRequest
from shared.sms.preview import Preview, preview

LONG_MESSAGE = ("udh8", "udh16", "sar", "payload")


async def run(
    text: str | None,
    file: Path | None,
    encoding: str,
    transliterate: bool,
    long_message: str,
    *,
    octets: bool,
    as_json: bool,
) -> int:
    """0 when it can be sent like this, 1 when not."""
    if encoding not in get_args(EncodingWish):
        raise Invalid(f"--encoding: {encoding!r} is unknown", f"allowed: {', '.join(get_args(EncodingWish))}")
    if long_message not in LONG_MESSAGE:
        raise Invalid(f"--long-message: {long_message!r} is unknown", f"allowed: {', '.join(LONG_MESSAGE)}")
    request = EncodeRequest(
        message_id=NIL_UUID,
        to="",
        text=_text(text, file),
        encoding=encoding,  # type: ignore[arg-type]  # checked above
        transliterate=transliterate,
        max_segments=255,
    )
    found = preview(request, ConnectorProfile(long_message=long_message))  # type: ignore[arg-type]  # checked above
    if as_json:
        print_json(_as_dict(found, octets))
    else:
        _print(found, octets)
    return EXIT_FAILED if found.refused else 0


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise Invalid("give a text or --file, one of the two", "a text of - reads standard input")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"cannot read {file}: {error}") from error
    return sys.stdin.read() if text == "-" else text or ""


def _as_dict(found: Preview, octets: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "sendable": found.refused is None,
        "alphabet": found.alphabet,
        "why": found.why,
        "data_coding": found.data_coding,
        "segments": found.segments,
        "units": found.units,
        "units_used": found.units_used,
        "units_left": found.units_left,
        "forcing": [{"character": f.character, "position": f.position, "times": f.times} for f in found.forcing],
        "saving": {"segments": found.saving.segments} if found.saving else None,
    }
    if found.refused is not None:
        shown |= {"reason": found.refused.reason, "field": found.refused.field, "detail": found.refused.detail}
    if octets:
        shown["octets"] = [segment.octets.hex() for segment in found.submissions]
    return shown


def _print(found: Preview, octets: bool) -> None:
    if found.refused is not None:
        console.print(f"[red]cannot be sent:[/red] {found.refused.reason}: {found.refused.detail}")
    else:
        plural = "" if found.segments == 1 else "s"
        console.print(f"[bold]{found.segments} segment{plural}[/bold], {found.alphabet}: {found.why}")
        console.print(f"{found.units_used} {found.units} used, {found.units_left} left in the last segment")
    for forcing in found.forcing:
        name = f"U+{ord(forcing.character[0]):04X}"
        console.print(f"  {forcing.character!r} ({name}) at position {forcing.position + 1}, {forcing.times} times")
    if found.saving is not None:
        console.print(f"with --transliterate: {found.saving.segments} segment(s)")
    if octets:
        for number, segment in enumerate(found.submissions, 1):
            console.print(f"{number}: {segment.octets.hex()}")
