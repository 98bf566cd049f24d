"""Edge: the manifests agree with the code, with each other, and with the schemas of Kubernetes itself."""

import re
from typing import Any

import kubernetes_validate
import pytest

from schemas.groups import GROUPS_OF
from schemas.topics import DOORS
from services.http_api.settings import ApiSettings
from services.simulator.scenario import parse_scenario
from shared.operations.config.gateway_yaml import parse_gateway
from shared.process.settings import Settings
from tests.unit.deploy.dashboards import DASHBOARDS
from tests.unit.deploy.manifests import FLOW, K8S, OVERLAYS, SERVICES, built, documents, pod_specs

KUBERNETES = "1.34"
LONGEST_ANSWER_S = 60
DEV = K8S / "overlays" / "dev"
PRODUCTION = K8S / "overlays" / "production"


def _base(service: str, kind: str) -> dict[str, Any]:
    (found,) = [one for one in documents(K8S / "base" / f"{service}.yaml") if one["kind"] == kind]
    return found


def test_every_service_has_its_manifest() -> None:
    listed = documents(K8S / "base" / "kustomization.yaml")[0]["resources"]
    assert [name for name in listed if name.removesuffix(".yaml") in SERVICES] == [f"{name}.yaml" for name in SERVICES]


@pytest.mark.parametrize("service", FLOW)
def test_names_labels_and_arguments(service: str) -> None:
    name, label = f"smsgw-{service}", {"app.kubernetes.io/component": service}
    stateful, headless, budget = (_base(service, kind) for kind in ("StatefulSet", "Service", "PodDisruptionBudget"))
    assert {one["metadata"]["name"] for one in (stateful, headless, budget)} == {name}
    assert stateful["spec"]["serviceName"] == name
    assert stateful["spec"]["selector"]["matchLabels"] == stateful["spec"]["template"]["metadata"]["labels"] == label
    assert headless["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == label
    pod = stateful["spec"]["template"]["spec"]
    assert [container["args"] for container in pod["containers"]] == [[service]]
    assert pod["terminationGracePeriodSeconds"] >= (LONGEST_ANSWER_S + 15 if service == "binder" else 20)


def test_every_service_scales_by_the_lag_of_its_own_groups() -> None:
    found = {}
    for one in documents(K8S / "components" / "keda" / "scaledobjects.yaml"):
        service = one["spec"]["scaleTargetRef"]["name"].removeprefix("smsgw-")
        found[service] = tuple(trigger["metadata"]["consumerGroup"] for trigger in one["spec"]["triggers"])
    assert found == {name: GROUPS_OF[name] for name in FLOW}


def test_those_that_compute_scale_by_cpu_too() -> None:
    found = documents(K8S / "components" / "hpa" / "autoscalers.yaml")
    names = [one["spec"]["scaleTargetRef"]["name"].removeprefix("smsgw-") for one in found]
    assert names == [name for name in FLOW if name != "binder"]


def _variables() -> set[str]:
    text = "\n".join(file.read_text() for file in sorted(K8S.rglob("*")) if file.is_file())
    return set(re.findall(r"\bSMSGW_[A-Z_]+[A-Z]\b", text))


def test_every_variable_is_known() -> None:
    unknown = _variables() - {f"SMSGW_{name.upper()}" for name in (*Settings.model_fields, *ApiSettings.model_fields)}
    assert all(name.startswith("SMSGW_SECRET_") for name in unknown), unknown


def test_the_configurations_are_right() -> None:
    dev = parse_gateway((DEV / "gateway.yaml").read_text())
    scenario = parse_scenario((DEV / "scenario.yaml").read_text())
    assert {one.system_id for one in dev.connectors} == {account.system_id for account in scenario.accounts}
    assert {one.host for one in dev.connectors} == {"smsgw-simulator"}
    assert parse_gateway((PRODUCTION / "gateway.yaml").read_text()).connectors


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_what_kubernetes_takes(overlay: str) -> None:
    objects = built(overlay)
    for one in objects:
        if not one["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
    assert {f"smsgw-{name}" for name in FLOW} <= {o["metadata"]["name"] for o in objects if o["kind"] == "StatefulSet"}
    assert {f"smsgw-{name}" for name in DOORS} == {
        o["metadata"]["name"]
        for o in objects
        if o["kind"] == "Deployment" and o["metadata"]["name"] != "smsgw-simulator"
    }
    assert {one["metadata"].get("namespace", "smsgw") for one in objects} == {"smsgw"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_a_pod_names_is_there(overlay: str) -> None:
    objects = built(overlay)
    made = {(one["kind"], one["metadata"]["name"]) for one in objects}
    outside = {("Secret", "smsgw-secrets"), ("ConfigMap", "smsgw-kafka-ca")} if overlay == "production" else set()
    for _, pod in pod_specs(objects):
        for container in pod["containers"]:
            for source in container.get("envFrom", ()):
                for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                    if key in source:
                        assert (kind, source[key]["name"]) in made | outside
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made | outside


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_our_pods_may_do_nothing_beyond_their_work(overlay: str) -> None:
    for name, pod in pod_specs(built(overlay)):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            allowed = container["securityContext"]
            assert allowed["allowPrivilegeEscalation"] is False
            assert allowed["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            if name.startswith("smsgw-"):
                assert allowed["readOnlyRootFilesystem"] is True
                assert {mount["name"] for mount in container["volumeMounts"]} <= {v["name"] for v in pod["volumes"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_where_a_service_answers(overlay: str) -> None:
    for name, pod in pod_specs(built(overlay)):
        if name.removeprefix("smsgw-") in SERVICES:
            (container,) = pod["containers"]
            paths = {
                kind: container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")
            }
            assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
            api = [{"name": "api", "containerPort": 8080}] if name == "smsgw-http-api" else []
            assert container["ports"] == [{"name": "http", "containerPort": 8081}, *api]


@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_a_deployment_behind_its_service(door: str) -> None:
    deployment, service, budget = (_base(door, kind) for kind in ("Deployment", "Service", "PodDisruptionBudget"))
    label = {"app.kubernetes.io/component": door}
    assert {one["metadata"]["name"] for one in (deployment, service, budget)} == {f"smsgw-{door}"}
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == label
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [door]
    assert service["spec"]["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}


def test_alerts_and_dashboards_are_config_maps_of_the_production_overlay() -> None:
    data = {one["metadata"]["name"]: one["data"] for one in built("production") if one["kind"] == "ConfigMap"}
    assert data["smsgw-alerts"].keys() == {"alerts.yaml"}
    assert data["smsgw-dashboards"].keys() == {file.name for file in DASHBOARDS.glob("*.json")}
