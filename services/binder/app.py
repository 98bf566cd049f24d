"""Edge: the binder as a process."""

import gc

from services.binder.loop import Binder
from shared.process.service import Service, run_service


async def run(service: Service) -> None:
    """Hold the binds of the partitions that the group gives us, until the service is asked to stop."""
    gc.set_threshold(50_000, 20, 50)  # thousands of short-lived objects a second, none of them in a cycle
    await Binder(service).run()


def main(arguments: list[str]) -> int:
    """The process; returns its exit code. Everything it needs stands in the environment and in Kafka."""
    del arguments
    return run_service("binder", run)
