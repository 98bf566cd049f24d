"""Edge: a broker as companies run it, for tests: TLS, SCRAM, client certificates, tokens; nobody has any rights."""

import base64
import contextlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest

from shared.local.kafka import EmbeddedKafka
from shared.local.kafka_probe import probe
from shared.local.kafka_properties import render_properties
from shared.local.ports import free_port

LISTENERS: Final = ("SCRAM", "MTLS", "OAUTH")
RESOURCES: Final = {"topic": 2, "group": 3, "transactional-id": 5}
OPERATIONS: Final = {
    "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "DescribeConfigs": 10,
    "AlterConfigs": 11,
}  # fmt: skip
ALLOW: Final = 3
LITERAL: Final = 3
PREFIXED: Final = 4
SECURITY_CLASSES: Final = "org.apache.kafka.common.security"


class Authority:
    """A certificate authority of its own, and what it has signed, made by the openssl of the system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        self._run("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")

    def sign(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """Certificate and key of `name`, for this machine; `days` may be negative."""
        (self.folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        self._run("req", "-new", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext", "-days", str(days))
        self._run("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _run(self, *arguments: str) -> None:
        openssl = shutil.which("openssl")
        assert openssl is not None, "these tests need the openssl command"
        done = subprocess.run([openssl, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class SecureKafka:
    """One broker with a listener for each kind; use it as a context manager. Only PLAINTEXT may do everything."""

    def __init__(self, folder: Path, users: Mapping[str, str], server_days: int = 2) -> None:
        self.authority = Authority(folder)
        taken: list[int] = []
        for _ in range(4):
            taken.append(free_port(*taken))
        self.ports = dict(zip(LISTENERS, taken[1:], strict=True))
        self._kafka = EmbeddedKafka(folder / "kafka", taken[0], short_lived=True)
        self._kafka.prepare()
        java = self._kafka.command()[:-2]
        java.insert(1, "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=info")
        properties = self._properties(server_days)
        shutil.rmtree(folder / "kafka" / "log")
        (folder / "kafka" / "log").mkdir()
        tool = ("kafka.tools.StorageTool", "format", "-c", str(properties), "-t", _cluster_id())
        added = [
            f"{mechanism}=[name={user},password={password}]"
            for user, password in users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        done = subprocess.run(
            [*java, *tool, *(word for one in added for word in ("--add-scram", one))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        self._command = [*java, "kafka.Kafka", str(properties)]
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "broker.log"

    def _properties(self, server_days: int) -> Path:
        file = self._kafka.data_dir / "server.properties"
        given = dict(line.split("=", 1) for line in file.read_text().splitlines())
        listeners = [f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()]
        certificate, key = self.authority.sign("broker", server_days)
        chain = self.authority.folder / "broker-chain.pem"
        chain.write_text(key.read_text() + certificate.read_text() + self.authority.file.read_text())
        module = "LoginModule required"
        added = {
            "listener.security.protocol.map":
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MTLS:SSL,OAUTH:SASL_SSL",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(chain),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.file),
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
            "listener.name.scram.scram-sha-256.sasl.jaas.config": f"{SECURITY_CLASSES}.scram.Scram{module};",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{SECURITY_CLASSES}.scram.Scram{module};",
            "listener.name.scram.plain.sasl.jaas.config":
                f'{SECURITY_CLASSES}.plain.Plain{module} user_plain="plain-secret";',
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config":
                f'{SECURITY_CLASSES}.oauthbearer.OAuthBearer{module} unsecuredLoginStringClaim_sub="broker";',
        }  # fmt: skip
        together = {
            name: ",".join([given[name].replace("\\u003a", ":").replace("\\u003d", "="), *listeners])
            for name in ("listeners", "advertised.listeners")
        }
        file.write_text(
            "".join(f"{name}={value}\n" for name, value in given.items() if name not in added | together)
            + render_properties(added | together)
        )
        return file

    @property
    def plain(self) -> str:
        """The address of those who may do everything."""
        return self._kafka.bootstrap_servers

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def __enter__(self) -> "SecureKafka":
        with self.log.open("ab") as log:
            process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._process = process

        for _ in range(600):
            answer = probe("127.0.0.1", int(self.plain.rsplit(":", 1)[1]), 0.5)
            if answer is not None and answer.brokers > 0:
                return self
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                break
        raise AssertionError(self.log.read_text()[-4000:])

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def allow(self, rights: Iterable[Mapping[str, Any]]) -> int:
        """Add rights as `smsgw topics acls --json` prints them; returns how many."""
        client = AIOKafkaClient(bootstrap_servers=self.plain)
        await client.bootstrap()
        try:
            requests = [
                CreateAclsRequest(
                    RESOURCES[right["resource"]], right["name"], PREFIXED if right["prefixed"] else LITERAL,
                    right["principal"], "*", OPERATIONS[right["operation"]], ALLOW,
                )
                for right in rights
            ]  # fmt: skip
            for request in requests:
                answer = await client.send(client.get_random_node(), request)
                assert [code for code, *_ in answer.creation_responses] == [0], answer
            return len(requests)
        finally:
            await client.close()

    def denied(self) -> set[str]:
        """What somebody asked for, and was not allowed, in the broker's words."""
        return {line.split("Principal = ")[1] for line in self.log.read_text().splitlines() if "is Denied" in line}


def _cluster_id() -> str:
    return base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()


def unsecured_token(subject: str, life_s: int, now_s: int) -> str:
    """A JWT that nobody signed, as the broker's development validator takes it."""

    def part(claims: Mapping[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'iat': now_s, 'exp': now_s + life_s})}."
