"""Bench of one SMPP bind on loopback: our client process alone, our server in another process.

`python -m tests.bench.bench_smpp_session [--count 300000] [--window 100] [--repeat 3] [--peers ours,smpplib,...]`

submit: submit_sm of 100 octets, window full all the time, until every one is answered. receive: the server delivers
receipts as fast as its window allows, the client answers each at once (a null sink). Figures are of the client process:
wall-clock rate, and CPU by the operating system's accounting, whose inverse is the rate of one core. Of `--repeat` runs
the median by CPU is told, ours beside its aim. No assertion.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final, Literal

import smpplib.client
import smpplib.consts
import uvloop

from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.events import (
    BindRequested,
    Bound,
    Closed,
    DeliverAnswered,
    DeliverReceived,
    Event,
    SubmitAnswered,
    SubmitReceived,
)
from shared.smpp.listener import serve
from shared.smpp.pdu import DeliverSm, SubmitSm
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.transport import Connection, connect_client

RECEIPT = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:hello world"
)
SUBMIT = SubmitSm(
    source_addr_ton=5,
    source_addr="SHOP",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="447700900123",
    validity_period="000001000000000R",
    registered_delivery=1,
    short_message=b"x" * 100,
)
DELIVER = DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="447700900123",
    dest_addr_ton=5,
    destination_addr="SHOP",
    esm_class=4,
    short_message=RECEIPT,
)

Job = Literal["submit", "receive"]
AIMS: Final[dict[Job, int]] = {"submit": 30_000, "receive": 20_000}
"""Messages per second of one core, asyncio included."""


# ------------------------------------------------------------------------------------------------------ server process


class _Server:
    """Answers every submit_sm at once; delivers `deliver_count` receipts once an ESME has bound."""

    def __init__(self, deliver_count: int) -> None:
        self._left = deliver_count

    def on_events(self, connection: Connection[SmscSession], events: list[Event]) -> None:
        session = connection.session
        for event in events:
            match event:
                case SubmitReceived(sequence_number):
                    session.answer_submit(sequence_number, 0, f"{sequence_number:010d}")
                case BindRequested():
                    session.accept_bind(connection.now())
                    self._fill(connection)
                case DeliverAnswered():
                    self._fill(connection)
                case _:
                    pass

    def _fill(self, connection: Connection[SmscSession]) -> None:
        while self._left and connection.session.deliver(self._left, DELIVER, connection.now()):
            self._left -= 1


def _run_server(pipe: Pipe, deliver_count: int) -> None:
    async def main() -> None:
        def make_session(now: float) -> SmscSession:
            return SmscSession(SmscConfig(system_id="bench", window_size=500), now=now)

        listener = await serve(make_session, "127.0.0.1", 0, _Server(deliver_count).on_events)
        pipe.send(listener.port)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        await listener.close()

    uvloop.run(main())


@contextlib.contextmanager
def server_process(deliver_count: int = 0) -> Iterator[int]:
    """The port of a server in its own process."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run_server, args=(theirs, deliver_count))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join(5)
        process.kill()


# -------------------------------------------------------------------------------------------------------------- clients


class _OurClient:
    def __init__(self, job: Job, count: int) -> None:
        self.job: Job = job
        self.left_to_submit = count if job == "submit" else 0
        self.left = count
        self.bound = asyncio.Event()
        self.done = asyncio.Event()

    def on_events(self, connection: Connection[EsmeSession], events: list[Event]) -> None:
        session = connection.session
        for event in events:
            match event:
                case SubmitAnswered():
                    self._one_done()
                case DeliverReceived(sequence_number):
                    session.answer_deliver(sequence_number)
                    self._one_done()
                case Bound():
                    self.bound.set()
                case Closed():
                    self.done.set()
                case _:
                    pass
        now = connection.now()
        while self.left_to_submit and session.submit(self.left_to_submit, SUBMIT, now):
            self.left_to_submit -= 1

    def _one_done(self) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


async def _run_ours(port: int, job: Job, count: int, window: int) -> None:
    client = _OurClient(job, count)
    config = EsmeConfig(system_id="bench", password="bench", window_size=window)
    connection = await connect_client(lambda now: EsmeSession(config, now=now), "127.0.0.1", port, client.on_events)
    connection.session.bind(connection.now())
    connection.wake()
    await client.done.wait()
    connection.handle(connection.session.unbind(connection.now()))
    await connection.wait_closed()


def run_ours(port: int, job: Job, count: int, window: int) -> None:
    """Our session on uvloop."""
    uvloop.run(_run_ours(port, job, count, window))


def run_smpplib(port: int, job: Job, count: int, window: int) -> None:
    """smpplib's own session, which has no window: a reader thread counts while this one sends, kept to `window`."""
    client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
    room = threading.Semaphore(window if job == "submit" else 0)
    done = threading.Event()
    left = [count]

    def one_done(pdu: Any) -> None:
        left[0] -= 1
        if not left[0]:
            done.set()
        room.release()

    client.set_message_sent_handler(one_done)
    client.set_message_received_handler(one_done)
    client.connect()
    client.bind_transceiver(system_id="bench", password="bench")
    threading.Thread(target=_listen, args=(client,), daemon=True).start()
    for _ in range(count if job == "submit" else 0):
        room.acquire()
        client.send_message(
            source_addr_ton=5,
            source_addr="SHOP",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="447700900123",
            validity_period="000001000000000R",
            registered_delivery=True,
            short_message=b"x" * 100,
        )
    done.wait()


def _listen(client: Any) -> None:
    with contextlib.suppress(Exception):  # it raises when the server goes away at the end
        client.listen()


def run_aiosmpplib(port: int, job: Job, count: int, window: int) -> None:
    """aiosmpplib's own ESME, which has no window; its queue holds 2,500."""
    uvloop.run(_run_aiosmpplib(port, job, count))


async def _run_aiosmpplib(port: int, job: Job, count: int) -> None:
    from aiosmpplib import ESME, PhoneNumber  # only this peer needs it
    from aiosmpplib import SubmitSm as TheirSubmitSm
    from aiosmpplib.hook import AbstractHook

    done = asyncio.Event()

    class Hook(AbstractHook):  # type: ignore[misc] # aiosmpplib has no types
        left = count

        async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
            pass

        async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
            pass

        async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
            if type(smpp_message).__name__ in ("SubmitSmResp", "DeliverSm"):
                self.left -= 1
                if not self.left:
                    done.set()

    esme = ESME(
        smsc_host="127.0.0.1", smsc_port=port, system_id="bench", password="bench", hook=Hook(), log_level="CRITICAL"
    )
    task = asyncio.ensure_future(esme.start())
    for number in range(count if job == "submit" else 0):
        message = TheirSubmitSm(
            short_message="x" * 100,
            source=PhoneNumber("SHOP"),
            destination=PhoneNumber("447700900123"),
            log_id=str(number),
        )
        await esme.broker.enqueue(message)
    await done.wait()
    await esme.stop()
    await task


CLIENTS: dict[str, Callable[[int, Job, int, int], None]] = {
    "ours": run_ours,
    "smpplib": run_smpplib,
    "aiosmpplib": run_aiosmpplib,
}


def measure(peer: str, job: Job, count: int, window: int) -> dict[str, Any]:
    """One run of `count` messages; see the module."""
    with server_process(count if job == "receive" else 0) as port:
        wall, cpu = time.perf_counter(), time.process_time()
        CLIENTS[peer](port, job, count, window)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "client": peer,
        "job": job,
        "count": count,
        "window": window,
        "per_s": round(count / wall),
        "cpu_us": round(cpu / count * 1e6, 2),
        "per_s_of_one_core": round(count / cpu),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peers", default="ours")
    arguments = parser.parse_args()
    for peer in arguments.peers.split(","):
        count = arguments.count if peer == "ours" else max(1, arguments.count // 10)
        for job, aim in AIMS.items():
            runs = [measure(peer, job, count, arguments.window) for _ in range(arguments.repeat)]
            median = sorted(runs, key=lambda run: float(run["cpu_us"]))[len(runs) // 2]
            print(json.dumps(median | ({"aim_per_s": aim} if peer == "ours" else {})), flush=True)


if __name__ == "__main__":
    main()
