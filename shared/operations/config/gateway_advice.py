"""Pure: what is allowed in a gateway.yaml and hardly meant."""

from schemas.gateway.file import Gateway


def advice(gateway: Gateway) -> list[str]:
    """Sentences for a person, in the order of the file."""
    return [
        f"connector {c.id}: max_binds {c.max_binds} is more than tps {c.tps}, so {c.max_binds - c.tps} of its binds "
        "get no work"
        for c in gateway.connectors
        if c.max_binds > c.tps
    ]
