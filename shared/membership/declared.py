"""Edge: how topics and consumer groups are declared to FastStream, and the AsyncAPI document that follows from it.

FastStream takes the schema of a record from a handler's parameters. Our handlers take batches of octets, so here it
comes from the topic registry, by FastStream's extension point for it: the specification of a subscriber.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.specification import AsyncAPI
from faststream.specification.schema import Message, Operation, SubscriberSpec
from faststream.specification.schema.bindings import ChannelBinding, kafka

from schemas.topics import DAY_MS, TOPICS, Topic

PUBLIC_TOPICS: Final = {topic.name: topic for topic in TOPICS if topic.public}
OUTSIDERS: Final = frozenset({"producers", "applications"})
"""What the registry calls programs that are not ours."""

TITLE: Final = "SMS gateway"
DESCRIPTION: Final = """\
Messages go in, what became of them and messages from handsets come out. Every record is one JSON object; unknown fields
are ignored. Delivery is at least once: collapse statuses on status_id, messages from handsets on mo_id."""

_KEYS: Final = {
    "any": "Any or none: it decides the partition, and so which requests keep their order.",
    "account_id": "The account whose messages they are: its commands keep their order.",
    "message_id": "The message: its statuses keep their order.",
    "to": "The number that the message was sent to.",
}
_HEADERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "traceparent": {
            "type": "string",
            "description": "W3C trace context; whatever follows from a request carries that of the request.",
        }
    },
}


class PublicSpecification(KafkaSubscriberSpecification):
    """The public ones of a subscriber's topics, each with the schema that the registry has for it."""

    def get_schema(self) -> dict[str, SubscriberSpec]:
        return {name: self._of(PUBLIC_TOPICS[name]) for name in self.topics if name in PUBLIC_TOPICS}

    def _of(self, topic: Topic) -> SubscriberSpec:
        message = Message(title=f"{topic.name}:Message", payload=topic.model.model_json_schema(by_alias=True))
        binding = ChannelBinding(kafka=kafka.ChannelBinding(topic=topic.name, partitions=None, replicas=None))
        return SubscriberSpec(self.description, Operation(message, bindings=None), binding, topic.name)


def written_for_others(services: Iterable[str]) -> list[Topic]:
    """The public topics that `services` write and programs of others read."""
    writers = set(services)
    return [t for t in PUBLIC_TOPICS.values() if writers & set(t.producers) and OUTSIDERS & set(t.consumers)]


def document(*brokers: Any) -> dict[str, Any]:
    """The AsyncAPI 3 document of the public topics that `brokers` declare, as JSON would have it.

    FastStream writes the frame and the schemas. What it cannot say is added (keys, headers, examples), and names with a
    sign that AsyncAPI forbids there (`:`) become the name of the topic.
    """
    factory = AsyncAPI(*brokers, title=TITLE, version=version("smsgw"), description=DESCRIPTION)
    made: dict[str, Any] = factory.to_specification().to_jsonable()
    topics = [topic for topic in TOPICS if topic.name in made["channels"]]  # FastStream keeps no order
    operations = {_last(o["channel"]): o for o in made["operations"].values()}
    told = {name: channel["description"] for name, channel in made["channels"].items()}
    made["servers"] = {f"kafka-{n}": _server(server) for n, server in enumerate(made["servers"].values(), 1)}
    made["channels"] = {t.name: _channel(t, made["channels"][t.name], made["servers"]) for t in topics}
    made["operations"] = {
        f"{operations[t.name]['action']}.{t.name}": _operation(t, operations[t.name], told[t.name]) for t in topics
    }
    made["components"]["messages"] = {t.name: _message(t) for t in topics}
    return made


def _last(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rsplit("/", 1)[1]


def _server(server: dict[str, Any]) -> dict[str, Any]:
    """Kafka has no paths, and clients agree on a version by themselves."""
    return {name: value for name, value in server.items() if name not in {"pathname", "protocolVersion"}}


def _channel(topic: Topic, channel: dict[str, Any], servers: Iterable[str]) -> dict[str, Any]:
    kept = f"Kept for {(topic.retention_ms or 0) // DAY_MS} days."
    return channel | {
        "title": topic.summary,
        "description": f"{topic.summary[0].upper()}{topic.summary[1:]}. {kept}",
        "servers": [{"$ref": f"#/servers/{name}"} for name in servers],
        "messages": {topic.model.__name__: {"$ref": f"#/components/messages/{topic.name}"}},
    }


def _operation(topic: Topic, operation: dict[str, Any], summary: str) -> dict[str, Any]:
    return operation | {
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{topic.model.__name__}"}],
    }


def _message(topic: Topic) -> dict[str, Any]:
    key = {"type": "string", "description": _KEYS[topic.key]}
    return {
        "name": topic.model.__name__,
        "title": topic.summary,
        "contentType": "application/json",
        "headers": _HEADERS,
        "payload": {"$ref": f"#/components/schemas/{topic.model.__name__}"},
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.4.0"}},
        "examples": [{"name": name, "payload": payload} for name, payload in _examples(topic)],
    }


def _examples(topic: Topic) -> list[tuple[str, Any]]:
    """Those of the current version, by name."""
    folder = files("schemas") / "examples" / topic.name / f"v{topic.model.model_fields['schema_version'].default}"
    found = ((file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))) for file in folder.iterdir())
    return sorted(found, key=lambda example: example[0])
