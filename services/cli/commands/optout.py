"""Edge: `smsgw optout`: who wants no messages."""

from dataclasses import dataclass
from pathlib import Path

from services.cli.errors import EXIT_FAILED
from services.cli.output import clock_time, console, print_json, print_json_lines, table
from services.cli.runtime import find_runtime
from shared.operations import opt_outs
from shared.operations.errors import Invalid
from shared.process.clock import now_ms


@dataclass(frozen=True, slots=True)
class Whom:
    """Whose messages are not wanted: of every account unless one is named, of all its senders unless one is."""

    account: str = ""
    sender: str = ""


async def show(account: str, number: str, data_dir: Path | None, *, as_json: bool) -> int:
    """The list, or what concerns one account or number; 0, also when it is empty."""
    found = await opt_outs.read_opt_outs(find_runtime(data_dir).settings, account, number)
    if as_json:
        print_json_lines(one.to_dict() for one in found)
    elif not found:
        console.print("no opt-outs")
    else:
        cells = [(o.to, o.account_id, o.sender or "(any)", clock_time(o.since_ms), o.source) for o in found]
        console.print(table("Opt-outs", ["number", "account", "from", "since", "source"], cells))
    return 0


async def add(numbers: list[str], whom: Whom, data_dir: Path | None, *, as_json: bool) -> int:
    """Put numbers on the list."""
    found = [opt_outs.opt_out_of(number, whom.account, whom.sender, now_ms(), "cli") for number in numbers]
    return _told("added", await opt_outs.add(find_runtime(data_dir).settings, found), as_json=as_json)


async def remove(numbers: list[str], whom: Whom, data_dir: Path | None, *, as_json: bool) -> int:
    """Take numbers off the list; 1 when none of them was there like that."""
    settings = find_runtime(data_dir).settings
    wanted = {opt_outs.opt_out_of(number, whom.account, whom.sender, 0, "cli").key for number in numbers}
    there = [one for one in await opt_outs.read_opt_outs(settings) if one.key in wanted]
    _told("removed", await opt_outs.remove(settings, there), as_json=as_json)
    return 0 if there else EXIT_FAILED


async def import_file(file: Path, whom: Whom, data_dir: Path | None, *, as_json: bool) -> int:
    """Put the numbers of a file on the list; nothing of a file with a mistake."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}") from None
    found = opt_outs.imported(text, whom.account, whom.sender, now_ms())
    return _told("imported", await opt_outs.add(find_runtime(data_dir).settings, found), as_json=as_json)


def _told(what: str, count: int, *, as_json: bool) -> int:
    print_json({what: count}) if as_json else console.print(f"{what} {count}")
    return 0
