"""Edge: every service and the CLI on a broker with SASL_SSL, a prefix, and exactly the rights that `smsgw topics acls`
prints: one message, from the request to its receipt and into ClickHouse. The binder has a certificate, the encoder
tokens, everybody else SCRAM."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from schemas.topics import EVERY_SERVICE
from shared.operations.acls import ROLES
from tests.fixtures_clickhouse import ClickHouseProcess
from tests.integration.simulator_rig import smsc_process
from tests.secure_kafka import SecureKafka
from tests.token_endpoint import SECRET, TokenEndpoint, token_endpoint

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.long, pytest.mark.timeout(600)]

PREFIX = "eu1."
PASSWORDS = {f"smsgw-{role}": f"secret-of-{role}" for role in ROLES}
CONFIG = """
version: 1
connectors:
  - {{id: quick-1, host: 127.0.0.1, port: {port}, system_id: quick, password: {{env: SMSGW_SECRET_QUICK}}, tps: 100}}
accounts: [{{id: shop, default_sender: SHOP}}]
routes: [{{match: {{prefix: "44"}}, to: [{{connector: quick-1}}]}}]
"""
SCENARIO = 'version: 1\naccounts: [{system_id: "*", receipts: {delay_ms: 0}}]'


class Company:
    """What a company's machine gives to a program of each role."""

    def __init__(self, kafka: SecureKafka, folder: Path, clickhouse: str, tokens: TokenEndpoint) -> None:
        self._kafka = kafka
        self._folder = folder
        self._clickhouse = clickhouse
        certificate, key = kafka.authority.sign("smsgw-binder")
        self._proofs = {
            "binder": {
                "SMSGW_KAFKA_BOOTSTRAP_SERVERS": kafka.address("MTLS"),
                "SMSGW_KAFKA_SECURITY_PROTOCOL": "SSL",
                "SMSGW_KAFKA_SSL_CERTFILE": str(certificate),
                "SMSGW_KAFKA_SSL_KEYFILE": str(key),
            },
            "encoder": {
                "SMSGW_KAFKA_BOOTSTRAP_SERVERS": kafka.address("OAUTH"),
                "SMSGW_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
                "SMSGW_KAFKA_SASL_OAUTH_TOKEN_ENDPOINT_URL": tokens.url,
                "SMSGW_KAFKA_SASL_OAUTH_CLIENT_ID": "smsgw-encoder",
                "SMSGW_KAFKA_SASL_OAUTH_CLIENT_SECRET": SECRET,
                "SMSGW_KAFKA_SASL_OAUTH_SCOPE": "kafka",
            },
        }
        """The other services have SCRAM."""

    def environment(self, role: str, **variables: str) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("SMSGW_")}
        return mine | {
            "SMSGW_KAFKA_BOOTSTRAP_SERVERS": self._kafka.address("SCRAM"),
            "SMSGW_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "SMSGW_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "SMSGW_KAFKA_SASL_USERNAME": f"smsgw-{role}",
            "SMSGW_KAFKA_SASL_PASSWORD": PASSWORDS[f"smsgw-{role}"],
            "SMSGW_KAFKA_SSL_CAFILE": str(self._kafka.authority.file),
            "SMSGW_KAFKA_PREFIX": PREFIX,
            "SMSGW_CLICKHOUSE_URL": self._clickhouse,
            "SMSGW_DATA_DIR": str(self._folder / role),
            "SMSGW_INSTANCE": "0",
            "SMSGW_HTTP_HOST": "127.0.0.1",
            "SMSGW_SECRET_QUICK": "any",
        } | self._proofs.get(role, {}) | variables  # fmt: skip

    def cli(self, role: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            env=self.environment(role, **variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self, service: str) -> AsyncIterator[asyncio.subprocess.Process]:
        with (self._folder / f"{service}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services", service, env=self.environment(service), stderr=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                code = await asyncio.wait_for(process.wait(), 60)
            except TimeoutError:
                process.kill()
                code = await process.wait()
            assert code == 0, (self._folder / f"{service}.log").read_text()[-3000:]


async def test_a_message_passes_with_exactly_the_printed_rights_under_a_prefix(tmp_path: Path) -> None:
    with (
        SecureKafka(tmp_path, PASSWORDS) as kafka,
        ClickHouseProcess(tmp_path / "clickhouse") as clickhouse,
        token_endpoint() as tokens,
    ):
        company = Company(kafka, tmp_path, clickhouse.url, tokens)
        printed = company.cli("operator", "topics", "acls", "--json")
        assert printed.returncode == 0, printed.stderr
        assert await kafka.allow(map(json.loads, printed.stdout.splitlines())) > 100
        async with AsyncExitStack() as stack:
            smsc = await stack.enter_async_context(smsc_process(tmp_path, SCENARIO))
            config = tmp_path / "gateway.yaml"
            config.write_text(CONFIG.format(port=smsc.port))
            for command in (("topics", "create"), ("config", "apply", str(config)), ("topics", "check")):
                done = await asyncio.to_thread(company.cli, "operator", *command)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
            for service in EVERY_SERVICE:
                await stack.enter_async_context(company.running(service))
            healthy = await asyncio.to_thread(company.cli, "operator", "status", "--wait", "240", "--json")
            assert healthy.returncode == 0, healthy.stdout + healthy.stderr
            sent = await asyncio.to_thread(company.cli, "operator", "send", "+447700900123", "hello", "--wait", "60")
            assert (sent.returncode, "delivered" in sent.stdout) == (0, True), sent.stdout + sent.stderr
            message_id = sent.stdout.split()[0]
            life = await asyncio.to_thread(company.cli, "operator", "track", message_id, "--wait", "60", "--json")
            assert life.returncode == 0, life.stdout + life.stderr
            assert "quick-1" in life.stdout
        assert kafka.denied() == set()
        names = await asyncio.to_thread(company.cli, "operator", "topics", "--json")
        assert {json.loads(line)["topic"].startswith(PREFIX) for line in names.stdout.splitlines()} == {True}
        _bad_credentials(company)


def _bad_credentials(company: Company) -> None:
    """One sentence and exit code 3, at once, for the CLI and for a service."""
    wrong = {"SMSGW_KAFKA_SASL_PASSWORD": "wrong"}
    started = time.monotonic()
    said = company.cli("operator", "topics", **wrong)
    assert (said.returncode, "refuses the user or the password" in said.stderr) == (3, True), said.stderr
    service = subprocess.run(
        [sys.executable, "-m", "services", "ingress"],
        env=company.environment("ingress", **wrong), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert service.returncode == 3, service.stderr
    assert "refuses the user or the password" in service.stderr
    assert "Traceback" not in service.stderr + said.stderr
    assert time.monotonic() - started < 60
