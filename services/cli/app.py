"""Edge: the `smsgw` command line: its commands, their options and how each one ends."""

import asyncio
import contextlib
import errno
import logging
import math
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from services.cli.commands import (
    bench,
    config,
    connectors,
    dlq,
    keys,
    optout,
    preview,
    receipts,
    report,
    report_named,
    routes,
    schedule,
    schema,
    send,
    setup,
    status,
    topics,
    trace,
    track,
)
from services.cli.demo import demo
from services.cli.dotenv_file import load_dotenv_file
from services.cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, exit_code_of
from services.cli.output import errors, give_up_output, never_fail_on_characters, styled
from services.cli.up import up
from shared.operations import acls
from shared.operations.acls import DEFAULT_PRINCIPAL
from shared.operations.adoption import HOW, AdoptionChoice, start_of
from shared.operations.commands import command_of
from shared.operations.errors import Invalid, OperationError
from shared.operations.layout_choice import LayoutWish
from shared.operations.named_reports import REPORTS

app = typer.Typer(
    name="smsgw",
    help="An event-driven SMS gateway on Kafka, SMPP and ClickHouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="The configuration: apply a gateway.yaml, show what is applied.", no_args_is_help=True)
topics_app = typer.Typer(help="Topics and their consumer groups; alone, it lists them.", invoke_without_command=True)
dlq_app = typer.Typer(help="Dead letters: records that could not be processed.", no_args_is_help=True)
optout_app = typer.Typer(help="Opt-outs: numbers that want no messages.", no_args_is_help=True)
schema_app = typer.Typer(help="The contracts.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(topics_app, name="topics")
app.add_typer(dlq_app, name="dlq")
app.add_typer(optout_app, name="optout")
app.add_typer(schema_app, name="schema")
routes_app = typer.Typer(help="Which message goes where.", no_args_is_help=True)
app.add_typer(routes_app, name="routes")
receipts_app = typer.Typer(help="Receipts that belong to no message.", no_args_is_help=True)
app.add_typer(receipts_app, name="receipts")
schedule_app = typer.Typer(help="Messages that wait for their time.", no_args_is_help=True)
app.add_typer(schedule_app, name="schedule")
keys_app = typer.Typer(help="Keys of the HTTP door.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where `smsgw up` keeps its data [SMSGW_DATA_DIR, ./.smsgw]")
]


def Port(help_text: str) -> Any:  # noqa: N802  # it stands where typer.Option would
    """An option that is a TCP port."""
    return typer.Option(help=help_text, min=1, max=65_535)


def Seconds(help_text: str) -> Any:  # noqa: N802  # as Port
    """An option that is a time to wait, in seconds; without NaN and infinity, which would be waited for without end."""

    def checked(value: float) -> float:
        if not 0 <= value < math.inf:
            raise typer.BadParameter(f"{value} is no number of seconds, 0 or more")
        return value

    return typer.Option(help=help_text, callback=checked)


JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs")]


def finish(command: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its end and leave with its exit code."""
    with asyncio.Runner() as runner:
        code = runner.run(command)
    raise typer.Exit(code)


@app.command("up")
def up_command(
    config_file: Annotated[Path | None, typer.Option("--config", help="Apply this gateway.yaml at start")] = None,
    data_dir: DataDir = None,
    kafka_port: Annotated[int | None, Port("Port of the embedded Kafka [9092]")] = None,
    clickhouse_port: Annotated[int | None, Port("Port of the embedded ClickHouse [8123]")] = None,
    http_port: Annotated[int | None, Port("Port of the HTTP door [8080]")] = None,
    no_simulator: Annotated[bool, typer.Option("--no-simulator", help="Do not start the SMSC simulator")] = False,
    only: Annotated[str | None, typer.Option(help="Comma-separated names of the processes to run here")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start everything on this machine, in one terminal; Ctrl-C drains and ends it."""
    ports = up.UpPorts(kafka_port, clickhouse_port, http_port)
    options = up.options_of(config_file, data_dir, ports, simulator=not no_simulator, only=only)
    finish(up.run(options, as_json=as_json))


@app.command("status")
def status_command(
    data_dir: DataDir = None,
    wait: Annotated[float, Seconds("Wait this many seconds until everything is healthy")] = 0,
    as_json: JsonOption = False,
) -> None:
    """How everything is; exit code 0 when all is healthy."""
    finish(status.run(data_dir, wait_s=wait, as_json=as_json))


@app.command("send")
def send_command(
    to: Annotated[str, typer.Argument(help="Destination, E.164")],
    text: Annotated[str | None, typer.Argument(help="The text")] = None,
    account: Annotated[str, typer.Option(help="Whose message it is")] = "shop",
    sender: Annotated[str | None, typer.Option("--from", help="Sender; default from the account")] = None,
    data: Annotated[str | None, typer.Option(help="Binary message, base64, instead of a text")] = None,
    udh: Annotated[str | None, typer.Option(help="User data header of --data, base64")] = None,
    data_coding: Annotated[int | None, typer.Option(help="data_coding of --data [4]")] = None,
    lane: Annotated[str | None, typer.Option(help="otp, txn or bulk \\[txn]")] = None,
    encoding: Annotated[str | None, typer.Option(help="auto, gsm7, ucs2 or latin1 \\[auto]")] = None,
    receipt: Annotated[str | None, typer.Option(help="final, all or none \\[final]")] = None,
    connector: Annotated[str | None, typer.Option(help="Pin the connector")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key")] = None,
    validity_s: Annotated[int | None, typer.Option(help="No attempt later than this many seconds from now")] = None,
    transliterate: Annotated[
        bool, typer.Option("--transliterate", help="Replace quotes, dashes, accents and the like to save segments")
    ] = False,
    flash: Annotated[bool, typer.Option("--flash", help="Show it at once")] = False,
    send_at: Annotated[
        str | None, typer.Option("--send-at", help="Not before this time, RFC 3339 with a zone: 2026-07-01T12:00:00Z")
    ] = None,
    campaign: Annotated[str | None, typer.Option(help="campaign_id: groups messages")] = None,
    wait: Annotated[float, Seconds("Wait this many seconds for the final status")] = 0,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Publish one message; prints its message_id."""
    fields = {
        "account_id": account, "to": to, "text": text, "from": sender, "data": data, "udh": udh,
        "data_coding": data_coding, "lane": lane, "encoding": encoding, "receipt": receipt, "connector_id": connector,
        "idempotency_key": key, "validity_s": validity_s, "transliterate": transliterate or None,
        "flash": flash or None, "send_at": send_at, "campaign_id": campaign,
    }  # fmt: skip
    finish(send.run(fields, data_dir, wait_s=wait, as_json=as_json))


MessageArgument = Annotated[str | None, typer.Argument(help="Its message_id", show_default=False)]
MessageKey = Annotated[str | None, typer.Option("--key", help="Or the idempotency key that it was published with")]
CommandAccount = Annotated[str, typer.Option("--account", help="Whose message it is")]
CommandWait = Annotated[float, Seconds("Wait this many seconds for what becomes of it")]


@app.command("cancel")
def cancel_command(
    account: CommandAccount,
    message_id: MessageArgument = None,
    key: MessageKey = None,
    campaign: Annotated[str | None, typer.Option(help="Or all messages of this campaign so far")] = None,
    wait: CommandWait = 0,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what waits; 0 once that is published, with --wait: when it is cancelled (1: too late, or unknown)."""
    command = command_of(
        command="cancel" if campaign is None else "cancel_campaign",
        account_id=account,
        message_id=message_id,
        idempotency_key=key,
        campaign_id=campaign,
    )
    finish(schedule.give(command, data_dir, wait_s=wait, as_json=as_json))


@app.command("reschedule")
def reschedule_command(
    account: CommandAccount,
    send_at: Annotated[str, typer.Option("--send-at", help="When it is to go, RFC 3339 with a zone")],
    message_id: MessageArgument = None,
    key: MessageKey = None,
    validity_s: Annotated[int | None, typer.Option(help="A new validity, from then on")] = None,
    wait: CommandWait = 0,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Have what waits go at another time; exit codes as of cancel."""
    command = command_of(
        command="reschedule",
        account_id=account,
        message_id=message_id,
        idempotency_key=key,
        send_at=send_at,
        validity_s=validity_s,
    )
    finish(schedule.give(command, data_dir, wait_s=wait, as_json=as_json))


@schedule_app.command("list")
def schedule_list_command(
    account: Annotated[str, typer.Option("--account", help="Only of this account")] = "",
    until: Annotated[str, typer.Option("--until", help="Only what goes by then, RFC 3339 with a zone")] = "",
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """What waits, the next to go first."""
    finish(schedule.show(account, until, data_dir, as_json=as_json))


@app.command("track")
def track_command(
    message_id: Annotated[str, typer.Argument(help="The message_id of a send, a status or a view")],
    data_dir: DataDir = None,
    wait: Annotated[float, Seconds("Wait at most this many seconds for its end")] = 5,
    as_json: JsonOption = False,
) -> None:
    """The whole life of one message."""
    finish(track.run(message_id, data_dir, wait_s=wait, as_json=as_json))


@app.command("trace")
def trace_command(
    connector: Annotated[str, typer.Argument(help="The connector")],
    msisdn: Annotated[str | None, typer.Option(help="Only PDUs with this number, and what answers them")] = None,
    message_id: Annotated[
        str | None, typer.Option("--message-id", help="Only this message: its submits, their answers, its receipts")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Begin with what passed before: 90s, 5m")] = None,
    unredacted: Annotated[bool, typer.Option("--open", help="Show numbers and texts; passwords never")] = False,
    octets: Annotated[bool, typer.Option("--octets", help="With --open: the octets of each PDU too")] = False,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Follow the PDUs of a connector live, decoded; numbers and texts masked. Ctrl-C ends."""
    wish = trace.Wish(connector, msisdn, message_id, since, unredacted, octets, as_json)
    finish(trace.run(wish, data_dir))


@app.command("report")
def report_command(
    name: Annotated[
        str | None, typer.Argument(help=f"{', '.join(REPORTS)} \\[all at a glance]", show_default=False)
    ] = None,
    what: Annotated[
        str | None, typer.Argument(help="Of which message_id, number or campaign_id", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    since: Annotated[
        str | None, typer.Option(help="Begin: 15m, 24h, 7d ago, or a date or time [24h; of some reports longer]")
    ] = None,
    until: Annotated[str | None, typer.Option(help="End: the same \\[now]")] = None,
    account: Annotated[str, typer.Option(help="Only of this account")] = "",
    connector: Annotated[str, typer.Option(help="Only over this connector")] = "",
    country: Annotated[str, typer.Option(help="Only to this country: GB")] = "",
    campaign: Annotated[str, typer.Option(help="Without a name: only messages with this campaign_id")] = "",
    step: Annotated[str | None, typer.Option(help="throughput: 1m, 15m, 1h, 1d \\[by the span]")] = None,
    unclaimed: Annotated[bool, typer.Option("--unclaimed", help="inbound: to numbers that are no account's")] = False,
    limit: Annotated[int, typer.Option(help="Rows at most", min=1, max=1_000_000)] = 1000,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table for programs")] = False,
) -> None:
    """What became of messages: by connector and country, or the report that is named (docs/analytics.md)."""
    if name is None:
        if as_csv or unclaimed or any((until, account, connector, country, step)):
            finish(report_named.refuse("only --since, --campaign and --json go without a report's name"))
        finish(report.run(data_dir, since=since or "24h", campaign=campaign, as_json=as_json))
    if campaign:
        finish(report_named.refuse(f"write: smsgw report campaign {campaign}"))
    typed = report_named.Typed(
        name, what, since, until, account, connector, country, step, unclaimed=unclaimed, limit=limit
    )
    finish(report_named.run(typed, data_dir, as_json=as_json, as_csv=as_csv))


OptOutAccount = Annotated[str, typer.Option("--account", help="Of this account [every account]")]
OptOutSender = Annotated[str, typer.Option("--from", help="Of this sender of it [all its senders]")]


@optout_app.command("list")
def optout_list_command(
    number: Annotated[str, typer.Argument(help="Only this one", show_default=False)] = "",
    account: Annotated[str, typer.Option("--account", help="Only what concerns this account")] = "",
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Who wants no messages, of whom, since when."""
    finish(optout.show(account, number, data_dir, as_json=as_json))


@optout_app.command("add")
def optout_add_command(
    numbers: Annotated[list[str], typer.Argument(help="Numbers that want nothing")],
    account: OptOutAccount = "",
    sender: OptOutSender = "",
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Put numbers on the list; in force within two seconds."""
    finish(optout.add(numbers, optout.Whom(account, sender), data_dir, as_json=as_json))


@optout_app.command("remove")
def optout_remove_command(
    numbers: Annotated[list[str], typer.Argument(help="Numbers that may be written to again")],
    account: OptOutAccount = "",
    sender: OptOutSender = "",
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Take numbers off the list, as they stand there: with the same account and sender."""
    finish(optout.remove(numbers, optout.Whom(account, sender), data_dir, as_json=as_json))


@optout_app.command("import")
def optout_import_command(
    file: Annotated[Path, typer.Argument(help="One number a line, or CSV with the columns number, account, from")],
    account: OptOutAccount = "",
    sender: OptOutSender = "",
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Put the numbers of a file on the list; a mistake names its line, and nothing is imported."""
    finish(optout.import_file(file, optout.Whom(account, sender), data_dir, as_json=as_json))


@app.command("connectors")
def connectors_command(data_dir: DataDir = None, as_json: JsonOption = False) -> None:
    """The connectors, their binds and what waits for them."""
    finish(connectors.run(data_dir, as_json=as_json))


WouldGoAt = Annotated[str | None, typer.Option("--at", help="At this time, RFC 3339 with a zone \\[now]")]


@routes_app.command("explain")
def routes_explain_command(
    to: Annotated[str, typer.Option(help="Destination, E.164")],
    account: Annotated[str, typer.Option(help="Whose message it is")],
    lane: Annotated[str, typer.Option(help="otp, txn or bulk")] = "txn",
    sender: Annotated[str | None, typer.Option("--from", help="Sender; default from the account")] = None,
    at: WouldGoAt = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="This gateway.yaml, instead of what is applied")
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Every route, with why it does or does not match; exit code 1 where the message would be rejected."""
    finish(routes.run(routes.Asked(to, account, lane, sender, at), config_file, data_dir, as_json=as_json))


@app.command("preview")
def preview_command(
    text: Annotated[str | None, typer.Argument(help="The text; - reads standard input")] = None,
    file: Annotated[Path | None, typer.Option(help="Read the text from this file (UTF-8)")] = None,
    encoding: Annotated[str, typer.Option(help="auto, gsm7, ucs2 or latin1")] = "auto",
    transliterate: Annotated[
        bool | None,
        typer.Option(
            "--transliterate/--no-transliterate",
            help="Replace quotes, dashes, accents and the like where it saves segments (the account's)",
        ),
    ] = None,
    lookalikes: Annotated[
        bool | None,
        typer.Option(
            "--lookalikes/--no-lookalikes",
            help="Transliteration may replace Cyrillic and Greek letters of Latin shape (the account's)",
        ),
    ] = None,
    flash: Annotated[bool, typer.Option("--flash", help="As a message that is shown at once")] = False,
    connector: Annotated[str | None, typer.Option(help="As this connector wants it")] = None,
    account: Annotated[str | None, typer.Option(help="Within the limits and defaults of this account")] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Where they are defined: a gateway.yaml (what is applied)")
    ] = None,
    long_message: Annotated[
        str | None, typer.Option(help="udh8, udh16, sar or payload (the connector's, udh8)")
    ] = None,
    national_tables: Annotated[
        str | None, typer.Option(help="Languages, with commas between: turkish,spanish (the connector's, none)")
    ] = None,
    default_alphabet: Annotated[
        str | None, typer.Option(help="gsm7, latin1 or ascii: what data_coding 0 is (the connector's, gsm7)")
    ] = None,
    packed: Annotated[
        bool | None, typer.Option("--packed/--no-packed", help="GSM 7-bit septets packed (the connector's, no)")
    ] = None,
    max_segments: Annotated[int | None, typer.Option(help="Longer is refused (the account's, 40)")] = None,
    octets: Annotated[bool, typer.Option("--octets", help="Show the octets and TLVs of each submit_sm")] = False,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Instead of a text: when a message to this number would go, and which way"),
    ] = None,
    lane: Annotated[str, typer.Option(help="With --to: otp, txn or bulk")] = "txn",
    at: WouldGoAt = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """What a text would cost: alphabet and why, segments, what is left in the last. With --to: as `routes explain`."""
    if to is not None:
        if account is None or text is not None or file is not None:
            raise Invalid("--to goes with --account, and without a text")
        finish(routes.run(routes.Asked(to, account, lane, None, at), config_file, data_dir, as_json=as_json))
    options = preview.PreviewOptions(
        text=text, file=file, encoding=encoding, transliterate=transliterate, lookalikes=lookalikes, flash=flash,
        connector=connector, account=account, config=config_file, data_dir=data_dir, long_message=long_message,
        national_tables=national_tables, default_alphabet=default_alphabet, packed=packed, max_segments=max_segments,
    )  # fmt: skip
    finish(preview.run(options, octets=octets, as_json=as_json))


@app.command("demo")
def demo_command(
    messages: Annotated[int | None, typer.Option(help="Publish only the first so many of the sample file")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Keep the data here \\[a temporary folder]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Everything embedded, real traffic over three connectors, a report and a reconciliation at the end."""
    finish(demo.run(messages, data_dir, as_json=as_json))


@app.command("bench", context_settings={"ignore_unknown_options": True})
def bench_command(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Passed on: --warm-up, --steady, --rate, with their values"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The end-to-end benchmark (needs the source tree)."""
    raise typer.Exit(bench.run(arguments or [], as_json=as_json))


@app.command("setup")
def setup_command(
    config_file: Annotated[Path, typer.Option("--config", help="gateway.yaml")],
    partitions: Annotated[int | None, typer.Option(help="As of `topics create`")] = None,
    replication_factor: Annotated[int | None, typer.Option(help="As of `topics create`")] = None,
    min_insync: Annotated[int | None, typer.Option(help="As of `topics create`")] = None,
    wait: Annotated[float, Seconds("Wait this many seconds for Kafka")] = 0,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare an installation: the topics that are missing, then the configuration. Any number of times."""
    wish = LayoutWish(partitions, replication_factor, min_insync)
    finish(setup.run(config_file, wish, wait, data_dir, as_json=as_json))


@config_app.command("apply")
def config_apply_command(
    file: Annotated[Path, typer.Argument(help="gateway.yaml")],
    data_dir: DataDir = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until every service uses it")] = False,
    now: Annotated[bool, typer.Option("--now", help="Drop removed connectors at once, receipts or not")] = False,
    expect: Annotated[
        str | None, typer.Option(help="Only if this is applied now: a hash of `config show` \\[what is found first]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Validate the file and make it the configuration of every service, unless somebody else changes it meanwhile."""
    finish(config.apply(file, data_dir, wait=not no_wait, drop_now=now, expected=expect, as_json=as_json))


@config_app.command("show")
def config_show_command(data_dir: DataDir = None, as_json: JsonOption = False) -> None:
    """The configuration that is applied."""
    finish(config.show(data_dir, as_json=as_json))


@topics_app.callback()
def topics_callback(context: typer.Context, data_dir: DataDir = None, as_json: JsonOption = False) -> None:
    """Topics and their consumer groups; alone, it lists them."""
    if context.invoked_subcommand is None:
        finish(topics.show(data_dir, as_json=as_json))


@topics_app.command("list")
def topics_list_command(data_dir: DataDir = None, as_json: JsonOption = False) -> None:
    """Every topic: partitions, records, who writes and reads it."""
    finish(topics.show(data_dir, as_json=as_json))


@topics_app.command("create")
def topics_create_command(
    partitions: Annotated[int | None, typer.Option(help="Of every topic \\[4; 12 where three brokers live]")] = None,
    replication_factor: Annotated[int | None, typer.Option(help="Copies \\[one a broker, at most 3]")] = None,
    min_insync: Annotated[
        int | None, typer.Option(help="Copies without which nothing is written \\[one less than copies, at least 1]")
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing. Their layout is chosen the first time, and is fixed from then on."""
    finish(topics.create(LayoutWish(partitions, replication_factor, min_insync), data_dir, as_json=as_json))


@topics_app.command("check")
def topics_check_command(data_dir: DataDir = None, as_json: JsonOption = False) -> None:
    """What differs from how the topics were laid out; exit code 1 when anything does."""
    finish(topics.check(data_dir, as_json=as_json))


@topics_app.command("acls")
def topics_acls_command(
    service: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(acls.ROLES)}; all if left out", show_default=False)
    ] = None,
    principal: Annotated[str, typer.Option(help="Whom Kafka knows; {service} stands for its name")] = DEFAULT_PRINCIPAL,
    as_json: JsonOption = False,
) -> None:
    """The least rights of each service in Kafka, as kafka-acls commands; asks nobody."""
    finish(topics.acls(service, principal, as_json=as_json))


@topics_app.command("prune")
def topics_prune_command(
    connector: Annotated[
        str | None,
        typer.Argument(help="One that was removed; all of them if left out", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the topics of removed connectors; refuses while anything waits in them."""
    finish(topics.prune(connector, data_dir, as_json=as_json))


@topics_app.command("adopt")
def topics_adopt_command(
    group: Annotated[str, typer.Argument(help="A consumer group that has lost its place", show_default=False)],
    start: Annotated[str, typer.Option("--from", help=f"Where it goes on: {HOW}", show_default=False)],
    topic: Annotated[str | None, typer.Option(help="Only there", show_default=False)] = None,
    partition: Annotated[int | None, typer.Option(help="Only in that partition", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done")] = False,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a group goes on in partitions where its offset has expired, or what it points to is deleted."""
    finish(
        topics.adopt(
            group, AdoptionChoice(start_of(start), topic, partition), data_dir, dry_run=dry_run, as_json=as_json
        )
    )


@topics_app.command("hanging")
def topics_hanging_command(
    end: Annotated[bool, typer.Option("--end", help="End them, as Kafka's own log says that they ended")] = False,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Transactions that Kafka counts as over and has not ended, where readers stand still; exit code 1 when any is."""
    finish(topics.hanging(data_dir, end=end, as_json=as_json))


@topics_app.command("members")
def topics_members_command(
    remove: Annotated[str | None, typer.Option(help="A static member id that is gone for good")] = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """The members of the consumer groups."""
    finish(topics.members(remove, data_dir, as_json=as_json))


@dlq_app.command("list")
def dlq_list_command(data_dir: DataDir = None, as_json: JsonOption = False) -> None:
    """Dead-letter topics that are not empty."""
    finish(dlq.summary(data_dir, as_json=as_json))


@dlq_app.command("show")
def dlq_show_command(
    topic: Annotated[str, typer.Argument(help="A dead-letter topic, or the topic it belongs to")],
    limit: Annotated[int, typer.Option(help="The newest so many")] = 20,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """The newest dead letters of a topic, with the reason of each."""
    finish(dlq.show(topic, data_dir, limit=limit, as_json=as_json))


@dlq_app.command("replay")
def dlq_replay_command(
    topic: Annotated[str, typer.Argument(help="A dead-letter topic, or the topic it belongs to")],
    offset: Annotated[list[int] | None, typer.Option(help="Only these offsets (may be repeated)")] = None,
    replay_all: Annotated[bool, typer.Option("--all", help="All that were not replayed yet")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done with each, and why")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask (nobody is asked without a terminal)")] = False,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Write dead letters back to where they came from, once each, and none whose message has ended."""
    finish(
        dlq.replay(
            topic, offset or [], data_dir, everything=replay_all, as_json=as_json, dry_run=dry_run, again=again, yes=yes
        )
    )


@receipts_app.command("orphans")
def receipts_orphans_command(
    since: Annotated[str, typer.Option(help="Of the last 15m, 24h, 7d …")] = "72h",
    connector: Annotated[str, typer.Option(help="Only what came over this connector")] = "",
    limit: Annotated[int, typer.Option(help="At most so many, the oldest")] = 1_000,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Receipts that wait for a message in vain, or never had one, with everything that came."""
    finish(receipts.orphans(data_dir, since=since, connector=connector, limit=limit, as_json=as_json))


@receipts_app.command("replay")
def receipts_replay_command(
    since: Annotated[str, typer.Option(help="What came in the last 15m, 24h, 7d …")],
    connector: Annotated[str, typer.Option(help="Over this connector")],
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Join receipts once more, after an option was corrected. What has its final status keeps it."""
    finish(receipts.replay(data_dir, since=since, connector=connector, as_json=as_json))


@keys_app.command("create")
def keys_create_command(
    account: Annotated[str, typer.Argument(help="Whose key it is")],
    key_id: Annotated[str, typer.Option("--id", help="What it is called in gateway.yaml and in lists")] = "web",
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, once, and what to write into gateway.yaml. Nothing is changed by it."""
    raise typer.Exit(keys.create(account, key_id, as_json=as_json))


@keys_app.command("list")
def keys_list_command(
    account: Annotated[str, typer.Option(help="Only of this account")] = "",
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """The keys of the configuration that is applied, by hash, and each account's name for Twilio's clients."""
    finish(keys.show(account, data_dir, as_json=as_json))


@schema_app.command("export")
def schema_export_command(
    directory: Annotated[Path | None, typer.Option("--output", "-o", help="Write one file per topic here")] = None,
    as_json: JsonOption = False,
) -> None:
    """JSON Schema of every topic's records."""
    raise typer.Exit(schema.export(directory, as_json=as_json))


@schema_app.command("asyncapi")
def schema_asyncapi_command(
    file: Annotated[Path | None, typer.Option("--output", "-o", help="Write it here")] = None,
    server: Annotated[str | None, typer.Option(help="Where Kafka is [SMSGW_KAFKA_BOOTSTRAP_SERVERS]")] = None,
    as_yaml: Annotated[bool, typer.Option("--yaml/--json", help="Written as YAML, or as JSON")] = False,
) -> None:
    """The AsyncAPI 3 document of the topics for producers and applications."""
    raise typer.Exit(schema.asyncapi(file, server=server, as_yaml=as_yaml))


def main() -> None:
    """Entry point; turns every expected failure into one sentence and its exit code."""
    signal.signal(signal.SIGTERM, _interrupted)
    never_fail_on_characters()
    logging.disable(logging.CRITICAL)  # what the clients have to say, commands say in a sentence
    try:
        load_dotenv_file(Path.cwd())
        app(prog_name="smsgw")
    except OperationError as error:
        first, *others = error.sentences
        errors.print(styled(("error:", "red"), f" {first}"))
        for sentence in others:
            errors.print(sentence)
        if error.hint:
            errors.print(styled((error.hint, "dim")))
        sys.exit(exit_code_of(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        give_up_output()
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
            raise
        give_up_output()
        with contextlib.suppress(OSError):
            errors.print(styled(("error:", "red"), f" cannot write the output: {error.strerror}"))
        sys.exit(EXIT_FAILED)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt
