"""Edge: the stop of a `smsgw up`: says what is waited for, and on a second signal what is then in doubt."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.cli.up.stack import BINDER, Stack
from shared.operations.beats import read_beats
from shared.operations.errors import OperationError
from shared.operations.kafka_access import kafka_errors
from shared.process.awaited import awaited_sentence, doubt_sentence
from shared.process.clock import monotonic_s

LOOK_S: Final = 2.0
"""As often as a binder beats."""


class Stopping:
    """Made when the stop begins; `follow` runs beside it."""

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._say = say
        self._until_s = monotonic_s() + stack.stop_patience_s
        self._awaited: dict[str, int] | None = None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._at_once)

    def _at_once(self) -> None:
        """A second signal: nothing is waited for any more."""
        if not self._binder_runs:
            self._say("Ends at once; no binder runs here, so nothing is in doubt")
        elif self._awaited is None:
            self._say("Ends at once; what was on its way to an SMSC is in doubt (outcome_unknown)")
        else:
            self._say(f"Ends at once; {doubt_sentence(self._awaited)}")
        self._stack.kill_all()

    @property
    def _binder_runs(self) -> bool:
        state = self._stack.states().get(BINDER)
        return state is not None and state.pid is not None

    async def follow(self) -> None:
        """Until it is cancelled, or no binder runs: say what is waited for, by the binder's own beats."""
        while self._binder_runs:
            with suppress(OperationError):
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        settings = self._stack.settings
        async with kafka_errors(settings):
            _, beats = await read_beats(settings)
        state = self._stack.states().get(BINDER)
        found = next((b.state for b in beats if b.state.service == BINDER and state and b.state.pid == state.pid), None)
        if found is None or not self._binder_runs:
            return
        self._awaited = found.awaited
        if found.awaited:
            self._say(awaited_sentence(found.awaited, self._until_s - monotonic_s()))
