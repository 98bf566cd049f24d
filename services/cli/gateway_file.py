"""Edge: a gateway.yaml that was named on the command line."""

from pathlib import Path

from shared.operations.config.gateway_yaml import GatewayFileError, parse_gateway
from shared.operations.errors import Invalid, ManyInvalid


def read_gateway_file(path: Path) -> str:
    """The text of a gateway.yaml that parses; raises `Invalid` that has every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
        parse_gateway(text)
    except UnicodeDecodeError:
        raise Invalid(f"cannot read {path}: it is no text in UTF-8") from None
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}") from error
    except GatewayFileError as error:
        raise ManyInvalid((f"{path}: {m}" for m in error.mistakes), "nothing was changed") from error
    return text
