"""Edge: the list of opt-outs: read, added to, taken from."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from schemas.optouts import EVERY_ACCOUNT, OptOut, opt_out_key
from schemas.requests import is_sender, sender_as_sent
from schemas.topics import CONFIG_OPTOUTS
from shared.kafka.records import Out
from shared.operations.errors import Invalid
from shared.operations.kafka_access import producing, read_tables
from shared.process.settings import Settings

COLUMNS = ("number", "account", "from")
"""Of an import, in this order where the file has no header."""


async def read_opt_outs(settings: Settings, account_id: str = "", number: str = "") -> list[OptOut]:
    """What is on the list now, by number and account; only what concerns this account and number where given."""
    found: dict[bytes, OptOut] = {}

    def on_record(key: bytes | None, value: bytes | None) -> None:
        found.pop(key or b"", None)
        if value is not None:
            try:
                found[key or b""] = OptOut.from_json(value)
            except ValueError:
                head, _, to = (key or b"").decode("utf-8", "replace").rpartition("|")
                found[key or b""] = OptOut(account_id=head, to=to, since_ms=0, source="unreadable")

    await read_tables(settings, {CONFIG_OPTOUTS: lambda record: on_record(record.key, record.value)})
    wanted = digits_of(number) if number else ""
    chosen = [o for o in found.values() if wanted in ("", o.to) and account_id in ("", o.account_id, EVERY_ACCOUNT)]
    return sorted(chosen, key=lambda o: (o.to, o.account_id, o.sender or ""))


def digits_of(number: str) -> str:
    """A number as the list has it; raises `Invalid` for anything else."""
    digits = "".join(number.split()).removeprefix("+")
    if not digits.isascii() or not digits.isdecimal() or not 3 <= len(digits) <= 15:
        raise Invalid(f"{number!r} is no number: 3 to 15 digits, with or without a plus sign")
    return digits


def opt_out_of(number: str, account_id: str, sender: str, since_ms: int, source: str) -> OptOut:
    """One entry; raises `Invalid` with a sentence."""
    if sender and not is_sender(sender):
        raise Invalid(f"{sender!r} is no sender: 3-15 digits, or 1-11 GSM-7 characters with a letter")
    return OptOut(
        account_id=account_id or EVERY_ACCOUNT,
        sender=sender_as_sent(sender) if sender else None,
        to=digits_of(number),
        since_ms=since_ms,
        source=source,
    )


def imported(text: str, account_id: str, sender: str, since_ms: int) -> list[OptOut]:
    """The entries of a file: one number a line, or CSV with the columns number, account and from, with or without a
    header. What a line does not say is `account_id` and `sender`. Raises `Invalid`, which names the line; nothing of
    such a file is used."""
    rows = list(csv.reader(StringIO(text.removeprefix("\ufeff"))))
    columns: Sequence[str] = COLUMNS
    if rows and "number" in (header := [cell.strip().lower() for cell in rows[0]]):
        unknown = set(header) - set(COLUMNS)
        if unknown:
            raise Invalid(f"line 1: unknown column {sorted(unknown)[0]!r} (known: {', '.join(COLUMNS)})")
        columns = header
    found = []
    for line, row in enumerate(rows, start=1):
        cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
        if not any(cells.values()) or (line == 1 and columns is not COLUMNS):
            continue
        if len(row) > len(columns):
            raise Invalid(f"line {line}: {len(row)} columns, {', '.join(columns)} are known")
        try:
            found.append(
                opt_out_of(
                    cells.get("number", ""),
                    cells.get("account") or account_id,
                    cells.get("from") or sender,
                    since_ms,
                    "import",
                )
            )
        except Invalid as error:
            raise Invalid(f"line {line}: {error}") from None
    return found


async def add(settings: Settings, opt_outs: Iterable[OptOut]) -> int:
    """Put these on the list; returns how many."""
    outs = [Out(CONFIG_OPTOUTS, one.key, one.to_json()) for one in opt_outs]
    async with producing(settings) as producer:
        for start in range(0, len(outs), 1_000):
            await producer.send_all(outs[start : start + 1_000])
    return len(outs)


async def remove(settings: Settings, opt_outs: Iterable[OptOut]) -> int:
    """Take these off the list; returns how many."""
    outs = [Out(CONFIG_OPTOUTS, opt_out_key(one.account_id, one.sender, one.to), None) for one in opt_outs]
    async with producing(settings) as producer:
        await producer.send_all(outs)
    return len(outs)
