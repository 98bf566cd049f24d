"""Edge: the image and the compose file agree with the code."""

import re
import tomllib
from urllib.parse import urlsplit

import yaml

from services.simulator.scenario import parse_scenario
from shared.operations.config.gateway_yaml import parse_gateway
from shared.process.settings import Settings
from tests.unit.deploy.manifests import COMPOSE, SERVICES, TOP, compose

DOCKERFILE = (COMPOSE / "Dockerfile").read_text(encoding="utf-8")
LONGEST_ANSWER_S = 60
"""The default of response_timeout_s."""


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)s", duration)
    assert found
    return int(found[1])


def test_every_service_is_in_the_compose_file() -> None:
    services = compose()["services"]
    others = {"simulator", "setup", "kafka", "clickhouse", "prometheus", "grafana", "otel-collector"}
    assert set(services) == {*SERVICES, *others}
    for name in SERVICES:
        assert services[name]["command"] == [name]


def test_every_service_is_scraped() -> None:
    (job,) = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())["scrape_configs"]
    assert set(job["dns_sd_configs"][0]["names"]) == set(SERVICES)


def test_files_that_are_mounted_are_there() -> None:
    for name, service in compose()["services"].items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose()["volumes"] or (COMPOSE / source).exists(), name


def test_grafana_finds_what_is_provisioned() -> None:
    grafana, folder = compose()["services"]["grafana"], TOP / "observability" / "grafana"
    (provider,) = yaml.safe_load((folder / "provider.yaml").read_text())["providers"]
    assert [one for one in grafana["volumes"] if one.split(":")[1] == provider["options"]["path"]]
    for source in yaml.safe_load((folder / "datasources.yaml").read_text())["datasources"]:
        host = urlsplit(source["url"]).hostname if "url" in source else source["jsonData"]["host"]
        assert host in compose()["services"]
        assert source["type"] == "prometheus" or source["type"] == grafana["environment"]["GF_INSTALL_PLUGINS"]


def test_a_binder_may_wait_for_its_answers() -> None:
    services = compose()["services"]
    assert _seconds(services["binder"]["stop_grace_period"]) >= LONGEST_ANSWER_S + 15
    assert all(_seconds(services[name]["stop_grace_period"]) >= 20 for name in SERVICES)


def test_whatever_stays_up_says_whether_it_is_healthy() -> None:
    """`up --wait` fails for a container whose image has a probe that is turned off."""
    off = [name for name, one in compose()["services"].items() if one.get("healthcheck", {}).get("disable")]
    assert off == ["setup"]


def test_kafka_keeps_its_data_in_its_volume() -> None:
    kafka = compose()["services"]["kafka"]
    assert kafka["volumes"] == [f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}"]


def test_every_variable_is_known() -> None:
    known = {f"SMSGW_{name.upper()}" for name in Settings.model_fields} | {
        "SMSGW_SECRET_SIMULATOR",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
    assert compose()["x-smsgw"]["environment"].keys() <= known
    assert set(re.findall(r"SMSGW_[A-Z_]+", DOCKERFILE)) <= known


def test_the_configuration_and_the_simulator_belong_together() -> None:
    gateway = parse_gateway((COMPOSE / "gateway.yaml").read_text())
    scenario = parse_scenario((COMPOSE / "scenario.yaml").read_text())
    assert {one.system_id for one in gateway.connectors} == {account.system_id for account in scenario.accounts}
    assert all(one.host in compose()["services"] for one in gateway.connectors)


def test_the_image_is_this_version_and_runs_as_nobody() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert f"ARG VERSION={project['version']}\n" in DOCKERFILE
    assert "USER 10001:10001\n" in DOCKERFILE
    assert 'ENTRYPOINT ["python", "-m", "services"]' in DOCKERFILE
    assert all(f"COPY {folder} {folder}\n" in DOCKERFILE for folder in ("schemas", "shared", "services"))


def test_the_probe_of_the_image_asks_what_a_service_answers() -> None:
    assert "/livez" in DOCKERFILE
    assert f"SMSGW_HTTP_PORT={compose()['x-smsgw']['environment']['SMSGW_HTTP_PORT']}" in DOCKERFILE
