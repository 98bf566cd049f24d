"""Edge: the AsyncAPI document of the public topics, against the schema that the AsyncAPI Initiative publishes."""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from schemas.topics import TOPICS
from services.cli.app import app

OFFICIAL = Path(__file__).parents[1] / "vectors" / "asyncapi" / "3.0.0.json.gz"
PUBLIC = ["mt.requests", "mt.requests.otp", "mt.commands", "mt.statuses", "mo.messages"]


def written(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["schema", "asyncapi", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(written())
    return made


@pytest.fixture(scope="module")
def official() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(gzip.decompress(OFFICIAL.read_bytes())))


def test_it_is_an_asyncapi_document(document: dict[str, Any], official: jsonschema.Draft7Validator) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert [f"{list(error.absolute_path)}: {error.message}" for error in official.iter_errors(document)] == []


@pytest.mark.parametrize("part", ["info", "channels", "operations"])
def test_the_official_schema_would_find_a_mistake(
    document: dict[str, Any], official: jsonschema.Draft7Validator, part: str
) -> None:
    assert list(official.iter_errors(document | {part: {"x": 1}}))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                found = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(document)


def test_it_has_the_public_topics_and_no_other_and_says_which_way_they_go(document: dict[str, Any]) -> None:
    assert [topic.name for topic in TOPICS if topic.public] == PUBLIC
    assert list(document["channels"]) == PUBLIC
    assert list(document["operations"]) == [
        "receive.mt.requests", "receive.mt.requests.otp", "receive.mt.commands", "send.mt.statuses", "send.mo.messages",
    ]  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_a_message_has_the_schema_of_its_topic_and_its_examples_fit(document: dict[str, Any], name: str) -> None:
    topic = next(topic for topic in TOPICS if topic.name == name)
    message = document["components"]["messages"][name]
    schema = document["components"]["schemas"][message["payload"]["$ref"].rsplit("/", 1)[1]]
    assert schema == topic.model.model_json_schema(by_alias=True)
    assert message["examples"]
    for example in message["examples"]:
        jsonschema.Draft202012Validator(schema).validate(example["payload"])


def test_as_yaml_it_is_the_same(document: dict[str, Any]) -> None:
    assert yaml.safe_load(written("--yaml")) == document


def test_it_says_where_kafka_is(tmp_path: Path) -> None:
    file = tmp_path / "asyncapi.json"
    assert written("--server", "a.example.net:9092,b.example.net:9093", "-o", str(file)) == ""
    servers = json.loads(file.read_text())["servers"]
    assert [server["host"] for server in servers.values()] == ["a.example.net:9092", "b.example.net:9093"]
