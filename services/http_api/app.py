"""Edge: the HTTP door as a process."""

import asyncio
import logging
import sys
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Final

from aiokafka import ConsumerRecord

from schemas.gateway.accounts import Account, ApiKey
from schemas.gateway.file import AppliedConfig
from schemas.gateway.values import SecretRef
from schemas.topics import CONFIG_OPTOUTS
from services.http_api.access import DoorView, Gatekeeper
from services.http_api.authentication import KeyRing
from services.http_api.calls import Endpoints, calls_of, other_calls
from services.http_api.clickhouse_reads import ClickHouseReads
from services.http_api.command_calls import CommandCalls
from services.http_api.event_calls import EventCalls
from services.http_api.intake import Rules
from services.http_api.known_keys import KEYS_OF, KnownKeys
from services.http_api.live_feed import LiveFeed
from services.http_api.opt_out_calls import OptOutCalls
from services.http_api.opt_outs import OptOutList
from services.http_api.other_doors import OtherDoors
from services.http_api.publisher import RequestPublisher
from services.http_api.reads import Reads
from services.http_api.routes import make_app
from services.http_api.sending import Sending
from services.http_api.server import DoorServer, config_of, listen
from services.http_api.settings import ApiSettings
from services.http_api.twilio_door import TwilioDoor
from shared.kafka.produce import BatchProducer
from shared.kafka.tables import TableReader
from shared.messages.country import country_table
from shared.messages.routing import GatewayView
from shared.process.secret_values import MissingSecret, read_secret
from shared.process.service import EXIT_USAGE, CannotServe, Service, run_service
from shared.process.settings import SettingsError, settings_of

log = logging.getLogger(__name__)

NAME: Final = "http-api"
PROGRESS_S: Final = 5.0


class Following:
    """What the running configuration means to the door, made anew when it changes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._applied: AppliedConfig | None = None
        self._countries = country_table()
        self._view = DoorView(KeyRing((), _hash_of), Rules(GatewayView(None), self._countries))

    def view(self) -> DoorView:
        applied = self._service.gateway.applied
        if applied is not None and applied is not self._applied:
            self._applied = applied
            rules = Rules(GatewayView(applied), self._countries)
            self._view = DoorView(KeyRing(applied.gateway.accounts, _hash_of, _token_of), rules)
        return self._view


class Tables:
    """What the door follows in Kafka: opt-outs, all of them; idempotency keys, from now on."""

    def __init__(self, service: Service) -> None:
        self.known = KnownKeys()
        self.opt_outs = OptOutList()
        keys = dict.fromkeys(KEYS_OF.values(), self._saw_key)
        tables = {CONFIG_OPTOUTS: self._saw_opt_out, **keys}
        self.reader = TableReader(service.settings, tables, service.fail, from_now_on=keys)

    def _saw_key(self, record: ConsumerRecord) -> None:
        self.known.saw(record.topic, record.key, record.value)

    def _saw_opt_out(self, record: ConsumerRecord) -> None:
        self.opt_outs.apply(record.key, record.value)


def _hash_of(key: ApiKey) -> bytes | None:
    if key.sha256 is not None:
        return bytes.fromhex(key.sha256)
    try:
        return sha256(read_secret(SecretRef(env=key.env, file=key.file)).encode()).digest()
    except MissingSecret as error:
        log.error("api key %s: %s", key.id, error)
        return None


def _token_of(account: Account) -> str | None:
    if account.twilio is None:
        return None
    try:
        return read_secret(account.twilio.auth_token) or None
    except MissingSecret as error:
        log.error("twilio.auth_token of account %s: %s", account.id, error)
        return None


async def run(service: Service, settings: ApiSettings) -> None:
    """Serve until the service is asked to stop; what was taken is answered first."""
    producer = BatchProducer(service.settings, client_id=NAME, waits=service.waits(NAME))
    tables = Tables(service)
    try:
        await producer.start()
        await tables.reader.start()
        await _serve(service, settings, producer, tables)
    finally:
        await tables.reader.stop()
        await producer.stop()


async def _serve(service: Service, settings: ApiSettings, producer: BatchProducer, tables: Tables) -> None:
    publisher = RequestPublisher(producer)
    sending = Sending(publisher, tables.known, tables.opt_outs)
    reads = ClickHouseReads(service.settings)
    feed = LiveFeed(service.settings, service.fail)
    commands = CommandCalls(publisher, reads)
    ends = Endpoints(
        sending,
        Reads(reads),
        OptOutCalls(publisher, tables.opt_outs),
        EventCalls(feed),
        commands,
    )
    gate, view = Gatekeeper(settings), Following(service).view
    others = other_calls(
        OtherDoors(gate, view, sending), TwilioDoor(gate, view, sending, reads, tables.opt_outs, commands)
    )
    app = make_app(gate, view, calls_of(ends), others, settings.origins)
    try:
        listener = listen(settings.api_host, settings.api_port)
    except OSError as error:
        where = f"{settings.api_host}, port {settings.api_port}"
        raise CannotServe(f"SMSGW_API_PORT: {where}: {error.strerror}") from error
    port = listener.getsockname()[1]
    log.info("listens on %s port %d", settings.api_host, port)
    if settings.leaves_the_machine_in_plain:
        log.warning("keys and texts can be read on the network: SMSGW_API_TLS_CERT and SMSGW_API_TLS_KEY are not set")
    listening = asyncio.Event()
    server = DoorServer(config_of(app, settings), service.stopping, listening)
    publishing = asyncio.create_task(publisher.run(), name="publish")
    beating = asyncio.create_task(_tell_that_it_lives(service, listening), name="progress")
    ending = asyncio.create_task(_end_streams(service, feed), name="streams")
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="serve")
    try:
        await asyncio.wait({publishing, beating, serving}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (publishing, beating):
            if ended.done():
                ended.result()
        await serving
    finally:
        reads.stop()
        for task in (serving, publishing, beating, ending):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _end_streams(service: Service, feed: LiveFeed) -> None:
    """A stream never ends by itself, and a stop waits for answers that are under way."""
    await service.stopping.wait()
    feed.stop()


async def _tell_that_it_lives(service: Service, listening: asyncio.Event) -> None:
    await listening.wait()
    service.set_assignment(NAME, [])
    while True:
        service.progress(NAME)
        await asyncio.sleep(PROGRESS_S)


def main(arguments: list[str]) -> int:
    """`python -m services http-api`; returns the exit code."""
    try:
        settings = settings_of(ApiSettings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    return run_service(NAME, partial(run, settings=settings))
