"""Edge: `smsgw cancel`, `smsgw reschedule` and `smsgw schedule`: messages that have not gone yet."""

from pathlib import Path

from schemas.commands import Command
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json, print_json_lines, table
from services.cli.runtime import find_clickhouse, find_runtime
from shared.operations.commands import CommandAnswer, command_answers, publish
from shared.operations.schedule import read_schedule


async def give(command: Command, data_dir: Path | None, *, wait_s: float, as_json: bool) -> int:
    """0 once the command is published; with `wait_s`: when it has done what it was to do."""
    settings = find_runtime(data_dir).settings
    if not wait_s:
        place = await publish(settings, command)
        print_json({"published": place}) if as_json else console.print(f"published ({place})")
        return 0
    async with command_answers(settings) as answers:
        answer = await answers.wait_for(command, await publish(settings, command), wait_s)
    return _tell(command, answer, wait_s, as_json=as_json)


def _tell(command: Command, answer: CommandAnswer, wait_s: float, *, as_json: bool) -> int:
    if as_json:
        print_json({"done": answer.done, "answer": answer.word, "reason": answer.reason})
    elif answer.done:
        what = "rescheduled" if command.command == "reschedule" else "cancelled"
        console.print(f"{what} {answer.done}" if command.command == "cancel_campaign" else what)
    elif answer.word == "unknown":
        console.print(f"nobody has told of such a message within {wait_s:g} s")
    else:
        console.print(f"{answer.word} ({answer.reason})")
    return 0 if answer.is_as_wished else EXIT_FAILED


async def show(account: str, until: str, data_dir: Path | None, *, as_json: bool) -> int:
    """What waits, the next to go first; 0, also when nothing does."""
    found = await read_schedule(find_clickhouse(data_dir), account, until)
    if as_json:
        print_json_lines(found)
    elif not found:
        console.print("nothing waits")
    else:
        columns = ["send_at", "why", "account_id", "campaign_id", "message_id"]
        rows = [[str(one[name]) for name in columns] for one in found]
        console.print(table("Scheduled", ["goes at", "why", "account", "campaign", "message"], rows))
    return 0
