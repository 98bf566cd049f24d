"""Edge: the user's cache folder, where what was fetched once is kept for the next start."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The folder for what can be fetched again: SMSGW_CACHE_DIR, else XDG_CACHE_HOME/smsgw, else the platform's place.

    Not created here. A relative XDG_CACHE_HOME is ignored, as the XDG specification asks.
    """
    env = os.environ if environ is None else environ
    if chosen := env.get("SMSGW_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    xdg = Path(env.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():
        return xdg / "smsgw"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "smsgw"
    return Path.home() / ".cache" / "smsgw"
