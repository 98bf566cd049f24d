"""Edge: a connector comes, carries messages, is removed and pruned, while everything else goes on."""

from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway, messages_to, rows, settle, traffic, until_submits

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.e2e, pytest.mark.long]

GONE = """\
  - id: gone-1
    host: 127.0.0.1
    port: 2775
    system_id: quick
    password: {env: SMSGW_SECRET_SIMULATOR}
    tps: 50
"""


def apply(gateway: Gateway, text: str, *options: str) -> None:
    file: Path = gateway.data_dir / "changed.yaml"
    file.write_text(text)
    done = gateway.cli("config", "apply", str(file), "--json", *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(240)
async def test_a_connector_is_removed_and_pruned_and_nobody_notices(gateway: Gateway) -> None:
    before = gateway.config_file.read_text(encoding="utf-8")
    gone = GONE.replace("2775", str(gateway.simulator_port))
    apply(gateway, before.replace("connectors:\n", f"connectors:\n{gone}"))
    processes = gateway.run.processes
    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(messages_to("449901", 20, connector_id="gone-1", receipt="none"))
        await until_submits(gateway, ["449901"], 20)
        assert (await settle(gateway, publisher, follower, ["449901"])).finals == {"submitted": 20}

        apply(gateway, before)
        refused = gateway.cli("topics", "prune", "gone-1")
        assert refused.returncode == 1
        assert "waits for receipts" in refused.stderr
        apply(gateway, before, "--now")
        pruned = gateway.cli("topics", "prune", "--json")
        assert pruned.returncode == 0, pruned.stderr
        [told] = rows(pruned)
        assert "mt.dispatch.gone-1" in told["deleted"]

        await publisher.publish(messages_to("449902", 40))
        result = await settle(gateway, publisher, follower, ["449901", "449902"])
    assert result.ok, result.as_dict()
    assert [row["connector_id"] for row in rows(gateway.cli("connectors", "--json"))].count("gone-1") == 0
    assert gateway.run.processes == processes, "nobody had to be started again"
    assert gateway.cli("status", "--wait", "30").returncode == 0
