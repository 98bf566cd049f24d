"""Edge: a gateway.yaml that was named on the command line."""

from pathlib import Path
from typing import Final

from shared.operations.config.gateway_yaml import GatewayFileError, parse_gateway
from shared.operations.config.yaml_lines import CHARACTERS_MAX
from shared.operations.errors import Invalid, ManyInvalid

OCTETS_MAX: Final = 4 * CHARACTERS_MAX
"""As many as the characters that are read can have."""


def read_gateway_file(path: Path) -> str:
    """The text of a gateway.yaml that parses; raises `Invalid` that has every mistake."""
    try:
        with path.open("rb") as file:
            octets = file.read(OCTETS_MAX + 1)  # it may be one without an end
        if len(octets) > OCTETS_MAX:
            raise Invalid(f"{path}: is too much: more than {OCTETS_MAX:,} octets", "nothing was changed")
        text = octets.decode("utf-8").replace("\r\n", "\n")
        parse_gateway(text)
    except UnicodeDecodeError:
        raise Invalid(f"cannot read {path}: it is no text in UTF-8") from None
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}") from error
    except GatewayFileError as error:
        raise ManyInvalid((f"{path}: {m}" for m in error.mistakes), "nothing was changed") from error
    return text
