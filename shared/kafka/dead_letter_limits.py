"""Edge: what dead-letter topics take. A dead letter that is too large for its topic is cut: it would block for ever."""

import logging
from collections.abc import Mapping
from typing import Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from schemas.record_limits import WIRE_OCTETS_MAX
from shared.kafka.client import administering
from shared.kafka.records import Out, cut_to_fit
from shared.process.settings import Settings

log = logging.getLogger(__name__)

_ALWAYS_FITS: Final = 16 << 10
"""What a cut one has at most. No topic is asked about these."""
_NUMBERS: Final = 16 << 10
"""Octets of a batch of one record that are no key, value or header."""


class DeadLetterLimits:
    """The limits of topics, each asked for when the first dead letter of some size comes, and remembered.

    Kafka compares the batch as it is stored, compressed; here the letter as it is, since no one knows before.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        self._octets_max: dict[str, int] = {}

    async def cut(self, by_place: Mapping[tuple[str, int], list[Out]]) -> None:
        """Cut those of the dead letters in `by_place` that their topic would refuse."""
        for (topic, _), letters in by_place.items():
            if topic.endswith(".dlq"):
                for n, letter in enumerate(letters):
                    if cut_to_fit(letter, _ALWAYS_FITS) is not letter:
                        letters[n] = cut_to_fit(letter, await self._of(topic))

    async def _of(self, topic: str) -> int:
        found = self._octets_max.get(topic)
        if found is None:
            found = self._octets_max[topic] = max(_ALWAYS_FITS, await self._asked(topic) - _NUMBERS)
        return found

    async def _asked(self, topic: str) -> int:
        """Kafka's default where it does not say: it need not tell everybody."""
        try:
            async with administering(self._settings) as admin:
                answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        except KafkaError as error:
            log.warning("%s: its largest message is not known: %s", topic, error)
            return WIRE_OCTETS_MAX
        said = {entry[0]: entry[1] for answer in answers for resource in answer.resources for entry in resource[4]}
        return int(said.get("max.message.bytes") or WIRE_OCTETS_MAX)
