"""Pure: a connector's options as the encoding core takes them (`shared.sms` knows no configuration)."""

from schemas.gateway.connectors.smpp import SmppOptions
from shared.sms.data_coding import read_map
from shared.sms.message import ConnectorProfile


def profile_of(options: SmppOptions) -> ConnectorProfile:
    """How the connector wants its octets, and writes its own. Never raises: see `map_problem`."""
    return ConnectorProfile(
        long_message=options.long_message,
        default_alphabet=options.default_alphabet,
        gsm7_packed=options.gsm7_packed,
        national_tables=options.national_tables,
        data_coding_map={} if map_problem(options) else read_map(options.data_coding_map),
        flash_variant=options.flash_variant,
    )


def map_problem(options: SmppOptions) -> str:
    """A sentence about a `data_coding_map` that cannot be read, which counts as absent; empty where it can."""
    try:
        read_map(options.data_coding_map)
    except ValueError as error:
        return str(error)
    return ""
