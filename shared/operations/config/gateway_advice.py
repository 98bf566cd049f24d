"""Pure: what is allowed in a gateway.yaml and hardly meant."""

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import Gateway
from schemas.gateway.values import SecretRef, is_secret_name


def advice(gateway: Gateway) -> list[str]:
    """Sentences for a person, in the order of the file."""
    too_many = [
        f"connector {c.id}: max_binds {c.max_binds} is more than tps {c.tps}, so {c.max_binds - c.tps} of its binds "
        "get no work"
        for c in gateway.connectors
        if c.max_binds > c.tps
    ]
    return too_many + _secrets(gateway)


def _secrets(gateway: Gateway) -> list[str]:
    """The binder's environment is not known here: it may list these names."""
    named = [(c.id, secret.env) for c in gateway.connectors for secret in _secrets_of(c) if secret.env]
    return [
        f"connector {connector_id}: {name} does not begin with SMSGW_SECRET_: no bind before SMSGW_SECRET_ENV of the "
        "binder lists it"
        for connector_id, name in named
        if not is_secret_name(name)
    ]


def _secrets_of(connector: Connector) -> list[SecretRef]:
    """Whatever the kind of the connector: every field of it that says where a secret is."""
    return [value for _, value in connector if isinstance(value, SecretRef)]
