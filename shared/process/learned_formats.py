"""Edge: the formats of message ids that the correlator has learned (`correlator.formats`), as a table to follow."""

import logging

from schemas.learned_formats import LearnedFormat
from schemas.topics import MESSAGE_ID_FORMATS
from schemas.wire import KnownFormat
from shared.kafka.records import In

log = logging.getLogger(__name__)


class LearnedFormats:
    """`formats` by provider, one object for ever; a provider whose format is being learned is absent. `version` rises
    with every change."""

    def __init__(self) -> None:
        self.formats: dict[str, KnownFormat] = {}
        self.version = 0

    def read(self, record: In) -> None:
        """Take in one record; one that cannot be read is reported and changes nothing."""
        provider = (record.key or b"").decode("utf-8", "replace")
        try:
            learned = LearnedFormat.from_json(record.value).format if record.value is not None else None
        except ValueError as error:
            log.error("%s offset %d cannot be read: %s", MESSAGE_ID_FORMATS, record.offset, error)
            return
        if learned is None:
            self.formats.pop(provider, None)
        else:
            self.formats[provider] = learned
        self.version += 1
