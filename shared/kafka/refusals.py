"""Edge: why a broker that is there does not let us in, in a sentence; aiokafka only says that it cannot bootstrap."""

import ssl

from aiokafka.errors import (
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from shared.kafka.oauth import NoToken


def refusal_of(error: BaseException) -> str:
    """Empty for what is no refusal: nobody listens, the network, a broker that starts."""
    if isinstance(error, NoToken):
        return str(error)
    if isinstance(error, SaslAuthenticationFailed):
        return f"it refuses the user or the password: {_said(error)}"
    if isinstance(error, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return f"it does not take this SASL mechanism: {_said(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = _reason(error)
        if "ALERT" in (error.reason or "") and "certificate" in reason:
            return f"it does not take our certificate ({reason}): is there one, in time, and of an authority it knows?"
        return f"TLS fails: {reason}"
    return refusal_of(error.__cause__) if error.__cause__ is not None else ""


def _said(error: Exception) -> str:
    """What the broker said with it."""
    return str(error.args[0]) if error.args else type(error).__name__


def _reason(error: ssl.SSLError) -> str:
    """`SSLV3_ALERT_CERTIFICATE_EXPIRED` -> certificate expired."""
    words = (error.reason or str(error)).split("ALERT_")[-1]
    return words.replace("_", " ").lower()
