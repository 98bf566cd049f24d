"""Edge: wiring of the throttler."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.subscriptions import THROTTLER
from services.throttler.loop import Throttler
from shared.membership.frame import Application
from shared.process.service import Service, run_service


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """One cycle over all lanes and feedback, the throttler's own: a lane is read only as far as can be dispatched,
    which no stage does.
    """
    app.add_own_cycle(THROTTLER, Throttler(app.service).run)
    yield


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services throttler`; returns the exit code."""
    return run_service("throttler", run)
