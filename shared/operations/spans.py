"""Pure: lengths of time in words."""


def span(ms: float) -> str:
    """A length of time in the unit that reads best."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 120_000:
        return f"{ms / 1000:.1f} s"
    return f"{ms / 60_000:.0f} min"
