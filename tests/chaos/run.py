"""Edge: rounds: load, faults, rest, reconciliation; and at the end one over everything, for what came late."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from services.cli.demo.reconcile import Published, Reconciliation, Submit, reconcile
from services.cli.demo.traffic import StatusFollower, count_dead_letters
from shared.process.clock import monotonic_s, now_ms
from tests.chaos.changes import binds_allowed
from tests.chaos.evidence import RequestReader, missed_in_time, stored_of, tried_again
from tests.chaos.faults import Hands
from tests.chaos.fleet import Fleet
from tests.chaos.load import SLICE, SLICE_S, Load
from tests.chaos.patience import patiently
from tests.chaos.plan import SMSC, Fault, Round
from tests.chaos.published import Requests
from tests.chaos.smpp_binds import excesses
from tests.chaos.verdict import Verdict, judge, out_of_order, without_end

SETTLE_S: Final = 150.0
"""After the last fault: sessions, transactions and deadlines that run out, restarts with their back-off."""
BETWEEN_S: Final = 0.5
STILL_LATE_S: Final = 3.0


class Run:
    """A fleet under load. `say` gets a sentence about what happens."""

    def __init__(self, fleet: Fleet, seed: int, say: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._say = say
        self._load = Load(fleet.publishers_settings, seed)
        self._hands = Hands(fleet, seed)
        self._follower = StatusFollower(fleet.settings)
        self._reader = RequestReader(fleet.settings)
        self._requests = Requests()
        self._submits: dict[str, list[Submit]] = {}
        self._began_ms = now_ms()

    @asynccontextmanager
    async def started(self) -> AsyncIterator["Run"]:
        await self._follower.start()
        await self._load.start()
        try:
            yield self
        finally:
            await self._load.stop()
            await self._follower.stop()

    async def round(self, one: Round) -> Verdict:
        """Raises nothing for what the gateway does wrong: that is in the verdict."""
        began_s, since = monotonic_s(), len(self._requests)
        first_ms = now_ms()
        stopped_before = len(self._hands.stopped)
        async with self._load.running(self._open):
            until = self._load.published
            await asyncio.gather(*[self._fault(fault, until + fault.after, began_s) for fault in one.faults])
            await asyncio.sleep(BETWEEN_S)
        self._say("  all is over: waiting for every message to end")
        published = await self._settled(since)
        self._say("  all have ended, or the time is over: comparing")
        found = await self._reconciled(published, first_ms)
        again = await self._numbers(await tried_again(self._fleet.settings, first_ms))
        numbers = {message.to for message in published}
        submits = [submit for to in numbers for submit in self._submits.get(to or "", ())]
        binds = excesses(self._fleet.proxies[SMSC].binds, binds_allowed(self._fleet.gateway))
        stopped = self._hands.stopped[stopped_before:]
        return judge(
            one,
            found,
            disordered=out_of_order(submits, again),
            early=self._requests.early(submits),
            missed=await missed_in_time(self._fleet.settings, first_ms),
            vanished=sorted(self._load.acked.keys() - self._requests.ids),
            binds=[excess for excess in binds if excess.from_s >= began_s],
            stopped=stopped,
            seconds=monotonic_s() - began_s,
        )

    async def everything(self) -> Reconciliation:
        """All rounds once more, a little later: a second end of a message may come when its round is long over."""
        await asyncio.sleep(STILL_LATE_S)
        await self._reader.read(self._requests)
        return await self._reconciled(self._requests.published(), self._began_ms, strangers=True)

    async def _fault(self, fault: Fault, published: int, began_s: float) -> None:
        """When so much has been published; or when it should have been, where another fault is in the way."""
        patience_s = 3 * SLICE_S / SLICE * fault.after
        while self._load.published < published and monotonic_s() - began_s < patience_s:
            await asyncio.sleep(0.02)
        kind, process = fault.row
        at = f", in a {fault.moment}" if fault.moment else ""
        self._say(f"  {kind}: {process} {fault.instance}, {fault.seconds:.1f} s{at}")
        await self._hands.carry_out(fault, self._load.next_index)

    def _open(self) -> int:
        return self._load.published - len(self._follower.ended)

    async def _settled(self, since: int) -> list[Published]:
        """Every message of the round, when all have ended or the time is over."""
        deadline_s = monotonic_s() + SETTLE_S
        await self._reader.read(self._requests)
        published = self._requests.published(since)
        while True:
            if not without_end(published, self._follower.ended) or monotonic_s() > deadline_s:
                return published
            await asyncio.sleep(0.1)

    async def _reconciled(
        self, published: Sequence[Published], since_ms: int, *, strangers: bool = False
    ) -> Reconciliation:
        """`strangers`: also what was told and submitted that belongs to none of them."""
        settings = self._fleet.settings
        ids = {message_id for message in published for message_id in message.ids}
        self._read_log()
        numbers = self._submits.keys() if strangers else {message.to or "" for message in published}
        ended = len(ids & self._follower.ended)
        stored = await stored_of(settings, ids, since_ms - 1000, ended)
        told = [one for one in self._follower.told if strangers or one.message_id in ids]
        submits = [submit for to in numbers for submit in self._submits.get(to, ())]
        return reconcile(published, (0, await patiently(lambda: count_dead_letters(settings))), submits, told, stored)

    def _read_log(self) -> None:
        self._submits.clear()
        for submit in self._fleet.submits_to([""]):
            self._submits.setdefault(submit.to, []).append(submit)

    async def _numbers(self, message_ids: set[str]) -> set[str]:
        return {one.to or "" for one in self._requests.published() if message_ids.intersection(one.ids)}
