"""Edge: which process gives way to which on a machine that all of them share.

A scheduler with autogroups (which many Linux distributions have on) shares the processors among sessions, and a nice
value only counts within one. Every child has a session of its own here, so the session's value is set beside the
process's.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

_TRIES: Final = 10
_RETRY_S: Final = 0.1
"""For whoever is not root, the kernel takes one autogroup's value in a tenth of a second, from all processes."""


async def give_way(leader: int, nice: int) -> None:
    """Lower the priority of the session that `leader` leads: its process group, and its scheduling autogroup.

    `nice` is as in nice(1), how much lower, 1 to 19, and takes no privilege. To be called when the leader has just been
    started: what it starts later inherits it. A leader that has ended, and a kernel without autogroups, are no errors.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, leader, os.getpriority(os.PRIO_PROCESS, leader) + nice)
    for _ in range(_TRIES):
        try:
            Path(f"/proc/{leader}/autogroup").write_text(str(nice), encoding="ascii")
        except BlockingIOError:
            await asyncio.sleep(_RETRY_S)
        except OSError:
            return
        else:
            return
