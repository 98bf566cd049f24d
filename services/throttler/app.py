"""Edge: wiring of the throttler."""

from services.throttler.loop import Throttler
from shared.process.service import Service, run_service


async def run(service: Service) -> None:
    """Until the service is asked to stop."""
    await Throttler(service).run()


def main(arguments: list[str]) -> int:
    """`python -m services throttler`; returns the exit code."""
    return run_service("throttler", run)
