"""Pure: how work with Kafka ends, in the ways that a process tells apart."""


class KafkaUnavailable(Exception):
    """No broker answered. Retryable by whoever started us: exit code 3."""


class MissingTopics(Exception):
    """Topics that only the CLI creates are not there. Not retryable before somebody creates them: exit code 1."""


class WrongTopics(Exception):
    """Topics are not as they were laid out. Not to be restarted before somebody has mended them: exit code 78."""


class LostPosition(WrongTopics):
    """A group has no place any more in a partition that it was working on: its offset has expired, or what it points to
    is deleted. Somebody must say where to go on (`smsgw topics adopt`): exit code 78."""


class FatalKafkaError(Exception):
    """This process may not go on (fenced, evicted, a produce whose end is unknown): it exits, the restart rebuilds."""


class FencedError(FatalKafkaError):
    """The transaction in hand is over: Kafka has ended it after its timeout, or another process began one of the same
    name. Nothing of it was committed, unless that had been asked for."""
