"""Edge: the binder as a process."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.subscriptions import BINDER
from services.binder.loop import Binder
from shared.membership.frame import Application
from shared.process.service import Service, run_service


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """The binds of the partitions that the group gives us, as a cycle of the binder's own: windows decide what is read,
    and answers decide what is committed, which no stage does.
    """
    gc.set_threshold(50_000, 20, 50)  # thousands of short-lived objects a second, none of them in a cycle
    app.add_own_cycle(BINDER, Binder(app.service).run)
    yield


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services binder`; returns the exit code."""
    return run_service("binder", run)
