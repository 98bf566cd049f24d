"""Q45: TLS with verification, client certificates and pins, against our own listener on loopback."""

import asyncio
import hashlib
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.errors import ConnectFailed
from shared.smpp.events import BindRequested, Bound, Event
from shared.smpp.listener import Listener, serve
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.tls import ClientTls, certificate_pin, client_context, pin_matches, server_context
from shared.smpp.transport import Connection, connect_client


@dataclass(frozen=True)
class Certificate:
    cert_file: Path
    key_file: Path

    @property
    def pin(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.cert_file.read_text())).hexdigest()


def self_signed(folder: Path, name: str, host: str) -> Certificate:
    """A certificate that is its own authority, made by the openssl of the system."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "these tests need the openssl command"
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"),
            *("-keyout", str(made.key_file), "-out", str(made.cert_file)),
        ],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture(scope="module")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "server", "localhost")


@pytest.fixture(scope="module")
def client_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "client", "esme")


@pytest.fixture
def encrypted_key(client_certificate: Certificate, tmp_path: Path) -> Path:
    plain, encrypted = str(client_certificate.key_file), tmp_path / "encrypted.key"
    command = ("openssl", "pkey", "-in", plain, "-aes256", "-passout", "pass:x", "-out", str(encrypted))
    subprocess.run(command, check=True, capture_output=True)
    return encrypted


async def listen(context: ssl.SSLContext) -> Listener:
    def on_events(connection: Connection[SmscSession], events: list[Event]) -> None:
        if any(isinstance(event, BindRequested) for event in events):
            connection.session.accept_bind(connection.now())

    return await serve(lambda now: SmscSession(SmscConfig(), now=now), "127.0.0.1", 0, on_events, tls=context)


async def bind(port: int, tls: ClientTls, host: str = "localhost") -> Event:
    first: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    def on_events(connection: Connection[EsmeSession], events: list[Event]) -> None:
        if not first.done():
            first.set_result(events[0])

    connection = await connect_client(
        lambda now: EsmeSession(EsmeConfig(), now=now), host, port, on_events, tls=tls, timeout_s=5
    )
    connection.session.bind(connection.now())
    connection.wake()
    event = await asyncio.wait_for(first, 5)
    connection.abort()
    await connection.wait_closed()
    return event


async def test_q45_a_certificate_of_a_known_authority_and_name_binds(server_certificate: Certificate) -> None:
    listener = await listen(server_context(server_certificate.cert_file, server_certificate.key_file))
    try:
        assert isinstance(await bind(listener.port, ClientTls(ca_file=server_certificate.cert_file)), Bound)
    finally:
        await listener.close()


async def test_q45_an_unknown_authority_and_a_wrong_name_are_refused(server_certificate: Certificate) -> None:
    listener = await listen(server_context(server_certificate.cert_file, server_certificate.key_file))
    try:
        with pytest.raises(ConnectFailed, match="TLS"):
            await bind(listener.port, ClientTls())
        with pytest.raises(ConnectFailed, match="TLS"):
            await bind(listener.port, ClientTls(ca_file=server_certificate.cert_file), host="127.0.0.1")
        assert not listener.connections  # a failed handshake takes no place
        by_name = ClientTls(ca_file=server_certificate.cert_file, server_name="localhost")
        assert isinstance(await bind(listener.port, by_name, host="127.0.0.1"), Bound)
    finally:
        await listener.close()


async def test_q45_a_pinned_certificate_needs_no_authority_and_no_other_will_do(
    server_certificate: Certificate, client_certificate: Certificate
) -> None:
    listener = await listen(server_context(server_certificate.cert_file, server_certificate.key_file))
    pin = server_certificate.pin
    with_colons = ":".join(pin[at : at + 2] for at in range(0, 64, 2)).upper()
    try:
        for pins in ((pin,), (with_colons,), (client_certificate.pin, pin)):
            assert isinstance(await bind(listener.port, ClientTls(pins=pins), host="127.0.0.1"), Bound)
        with pytest.raises(ConnectFailed, match="pinned"):
            await bind(listener.port, ClientTls(pins=(client_certificate.pin,)), host="127.0.0.1")
    finally:
        await listener.close()


async def test_q45_a_server_may_ask_for_our_certificate(
    server_certificate: Certificate, client_certificate: Certificate
) -> None:
    context = server_context(
        server_certificate.cert_file, server_certificate.key_file, client_ca_file=client_certificate.cert_file
    )
    listener = await listen(context)
    try:
        ours = ClientTls(
            ca_file=server_certificate.cert_file,
            cert_file=client_certificate.cert_file,
            key_file=client_certificate.key_file,
        )
        assert isinstance(await bind(listener.port, ours), Bound)
    finally:
        await listener.close()


def test_verification_is_on_unless_pinned() -> None:
    strict = client_context(ClientTls())
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert client_context(ClientTls(pins=("aa",))).verify_mode is ssl.CERT_NONE


def test_no_certificate_matches_no_pin() -> None:
    assert not pin_matches(None, (certificate_pin(b""),))


async def test_a_key_with_a_passphrase_is_a_sentence_and_asks_nobody(
    client_certificate: Certificate, encrypted_key: Path
) -> None:
    with pytest.raises(ConnectFailed, match="encrypted"):
        await bind(1, ClientTls(cert_file=client_certificate.cert_file, key_file=encrypted_key))
    with pytest.raises(OSError, match="encrypted"):
        server_context(client_certificate.cert_file, encrypted_key)


async def test_a_missing_file_is_a_failed_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed):
        await bind(1, ClientTls(ca_file=tmp_path / "absent.pem"))
