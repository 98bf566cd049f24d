"""Edge: the jars of the embedded broker; `python -m shared.local.kafka_jars` fetches them."""

from pathlib import Path
from typing import Final

from shared.local.jars import JarSet, fetch_or_exit

KAFKA_VERSION: Final = "4.3.1"

KAFKA_JARS: Final = JarSet(
    title="Kafka",
    version=KAFKA_VERSION,
    coordinates=f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36",
    list_file=Path(__file__).with_name("kafka_jars.sha256"),
)

if __name__ == "__main__":
    fetch_or_exit(KAFKA_JARS, "44 MB")
