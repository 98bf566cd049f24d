"""Edge: TLS for SMPP (Q45): verification is on unless a certificate is pinned, and cannot be switched off otherwise."""

import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How to trust an SMSC.

    ca_file: trust these authorities instead of the system's.
    cert_file, key_file: our certificate, where the SMSC asks for one.
    server_name: the name to ask for (SNI) and to verify, when it is not the host that we connect to.
    pins: SHA-256 of acceptable server certificates (DER), hexadecimal, colons allowed. With pins these certificates are
        trusted and no others; authorities, names and dates are then not looked at, so that self-signed ones work.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    pins: tuple[str, ...] = ()


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """The context to connect with. Raises OSError (ssl.SSLError is one) for files that cannot be read or used, a key
    with a passphrase among them: nobody is there to type it.
    """
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
    if tls.pins:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_passphrase() -> str:
    raise OSError("the private key is encrypted; give one without a passphrase")


def server_context(cert_file: Path, key_file: Path, client_ca_file: Path | None = None) -> ssl.SSLContext:
    """The context to listen with; with `client_ca_file` an ESME must show a certificate of that authority.

    Raises OSError as `client_context` does.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file, password=_no_passphrase)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificate_pin(certificate_der: bytes) -> str:
    """The pin of a certificate: SHA-256 of its DER form in lower-case hexadecimal."""
    return hashlib.sha256(certificate_der).hexdigest()


def pin_matches(ssl_object: ssl.SSLObject | None, pins: tuple[str, ...]) -> bool:
    """Whether the peer of a finished handshake showed one of the pinned certificates."""
    certificate = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
    if certificate is None:
        return False
    shown = certificate_pin(certificate)
    return any(hmac.compare_digest(shown, pin.replace(":", "").strip().lower()) for pin in pins)
