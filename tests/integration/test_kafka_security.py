"""Edge: each way to prove who one is, on a broker that asks for it; and what is said where the proof is not taken."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.kafka import seam
from shared.kafka.client import consuming
from shared.kafka.cluster_id import cluster_id_of
from shared.kafka.errors import KafkaUnavailable
from shared.process.settings import Settings
from tests.secure_kafka import Authority, SecureKafka
from tests.token_endpoint import SECRET, TokenEndpoint, token_endpoint

pytestmark = pytest.mark.kafka

UNREACHABLE = 3
"""The exit code of what may do better when it is started again: a password may become right."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    with SecureKafka(tmp_path_factory.mktemp("secure"), {"scram": "scram-secret"}) as running:
        yield running


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenEndpoint]:
    with token_endpoint() as server:
        yield server


def settings_of(kafka: SecureKafka, listener: str, protocol: str, **variables: Any) -> Settings:
    return Settings.model_validate(
        {
            "kafka_bootstrap_servers": kafka.address(listener),
            "kafka_security_protocol": protocol,
            "kafka_ssl_cafile": kafka.authority.file,
            **variables,
        }
    )


def by_password(kafka: SecureKafka, mechanism: str, user: str, password: str) -> Settings:
    return settings_of(
        kafka, "SCRAM", "SASL_SSL", kafka_sasl_mechanism=mechanism, kafka_sasl_username=user,
        kafka_sasl_password=password,
    )  # fmt: skip


def by_certificate(kafka: SecureKafka, name: str, days: int = 2) -> Settings:
    certificate, key = kafka.authority.sign(name, days)
    return settings_of(kafka, "MTLS", "SSL", kafka_ssl_certfile=certificate, kafka_ssl_keyfile=key)


def by_token(kafka: SecureKafka, tokens: TokenEndpoint, client: str, secret: str = SECRET) -> Settings:
    return settings_of(
        kafka, "OAUTH", "SASL_SSL", kafka_sasl_mechanism="OAUTHBEARER", kafka_sasl_oauth_scope="kafka",
        kafka_sasl_oauth_token_endpoint_url=tokens.url, kafka_sasl_oauth_client_id=client,
        kafka_sasl_oauth_client_secret=secret,
    )  # fmt: skip


async def topics_seen(settings: Settings) -> set[str]:
    async with consuming(settings) as consumer:
        return set(await seam.all_partitions(consumer))


async def test_each_proof_makes_one_the_principal_that_has_the_rights(
    kafka: SecureKafka, tokens: TokenEndpoint
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.plain)
    await admin.start()
    await admin.create_topics([NewTopic("seen", 1, 1)])
    await admin.close()
    users = {
        "plain": by_password(kafka, "PLAIN", "plain", "plain-secret"),
        "scram": by_password(kafka, "SCRAM-SHA-256", "scram", "scram-secret"),
        "cert": by_certificate(kafka, "cert"),
        "token": by_token(kafka, tokens, "token"),
    }
    for user, settings in users.items():
        assert await topics_seen(settings) == set(), user
        right = {
            "principal": f"User:{user}", "resource": "topic", "name": "se", "prefixed": True, "operation": "Describe"
        }  # fmt: skip
        await kafka.allow([right])
        assert await topics_seen(settings) == {"seen"}, user
    assert await topics_seen(by_password(kafka, "SCRAM-SHA-512", "scram", "scram-secret")) == {"seen"}


async def test_all_clients_of_a_process_share_a_token_until_it_is_nearly_over(kafka: SecureKafka) -> None:
    with token_endpoint(life_s=3600) as tokens:
        settings = by_token(kafka, tokens, "sharer")
        await asyncio.gather(*(cluster_id_of(settings) for _ in range(5)))
        assert tokens.given == 1
    with token_endpoint(life_s=0) as tokens:
        settings = by_token(kafka, tokens, "briefly")
        for _ in range(2):
            with pytest.raises(KafkaUnavailable):  # the broker does not take one that is over
                await cluster_id_of(settings)
        assert tokens.given == 1, "a life of 0 s is no life at all: it is not known"


async def refused(settings: Settings) -> str:
    with pytest.raises(KafkaUnavailable) as caught:
        await cluster_id_of(settings)
    return str(caught.value)


async def test_a_refusal_is_told_in_one_sentence(kafka: SecureKafka, tokens: TokenEndpoint, tmp_path: Path) -> None:
    assert "refuses the user or the password" in await refused(by_password(kafka, "PLAIN", "plain", "wrong"))
    assert "refuses the user or the password" in await refused(by_password(kafka, "SCRAM-SHA-512", "scram", "wrong"))
    assert "refuses the user or the password" in await refused(by_password(kafka, "SCRAM-SHA-512", "nobody", "x"))
    assert f"no token from {tokens.url}: 401 Unauthorized" in await refused(by_token(kafka, tokens, "a", "wrong"))
    assert "does not take our certificate" in await refused(by_certificate(kafka, "late", -1))
    assert "does not take our certificate" in await refused(settings_of(kafka, "MTLS", "SSL"))
    stranger = by_password(kafka, "PLAIN", "plain", "plain-secret").model_copy(
        update={"kafka_ssl_cafile": Authority(tmp_path).file}
    )
    assert "its certificate is not trusted" in await refused(stranger)


async def test_a_broker_whose_certificate_has_expired_is_told(kafka: SecureKafka) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*kafka.authority.sign("expired", -1))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = by_password(kafka, "PLAIN", "plain", "plain-secret")
        sentence = await refused(settings.model_copy(update={"kafka_bootstrap_servers": address}))
        assert "its certificate is not trusted" in sentence
        assert "expired" in sentence


def ended(kafka: SecureKafka, folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code and standard error of a program that has the wrong password, or the `variables`."""
    ours = {
        "SMSGW_KAFKA_BOOTSTRAP_SERVERS": kafka.address("SCRAM"),
        "SMSGW_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "SMSGW_KAFKA_SASL_MECHANISM": "PLAIN",
        "SMSGW_KAFKA_SASL_USERNAME": "plain",
        "SMSGW_KAFKA_SASL_PASSWORD": "wrong",
        "SMSGW_KAFKA_SSL_CAFILE": str(kafka.authority.file),
        "SMSGW_DATA_DIR": str(folder / "data"),
        "SMSGW_HTTP_PORT": "0",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("SMSGW_")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], env=others | ours | variables, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("program", [("services", "encoder"), ("services.cli", "topics", "check")])
def test_a_wrong_password_ends_a_program_with_one_sentence(
    kafka: SecureKafka, tmp_path: Path, program: tuple[str, ...]
) -> None:
    code, said = ended(kafka, tmp_path, *program)
    assert (code, "refuses the user or the password" in said) == (UNREACHABLE, True), said
    assert "smsgw up" not in said, "that it runs is known"


def test_more_replicas_than_brokers_are_refused(kafka: SecureKafka, tmp_path: Path) -> None:
    everything = {"SMSGW_KAFKA_BOOTSTRAP_SERVERS": kafka.plain, "SMSGW_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
    wish = ("services.cli", "topics", "create", "--replication-factor", "3")
    code, said = ended(kafka, tmp_path, *wish, **everything, SMSGW_KAFKA_SASL_MECHANISM="")
    assert (code, "--replication-factor 3: only 1 broker lives" in said) == (1, True), said
