"""Edge: the topic registry is complete, and what is generated from it is current."""

import re

from schemas.topics import CO_PARTITIONED, TOPICS, connector_topics, dlq_of, shared_topics
from services.cli.reference.doc_tables import rewritten, topics_table
from tests.architecture.modules import ROOT


def test_the_tables_in_the_docs_are_those_of_the_code() -> None:
    stale = [str(file) for file, text in rewritten(ROOT).items() if file.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python -m services.cli.reference.doc_tables"


def test_names_are_unique_and_dead_letters_exist() -> None:
    created = [t.name for t in (*shared_topics(), *connector_topics("a", 2))]
    assert len(created) == len(set(created))
    for topic in created:
        registered = next((t for t in TOPICS if t.name.replace("<connector>", "a") == topic), None)
        if registered is not None and registered.dead_letters:
            assert dlq_of(topic) == registered.dead_letters
            assert registered.dead_letters in created


def test_joined_topics_have_equal_fixed_partition_counts() -> None:
    counts = {t.name: t.partitions for t in shared_topics(7)}
    for group in CO_PARTITIONED:
        assert len({counts[name] for name in group}) == 1, group
        assert all(t.fixed for t in TOPICS if t.name in group)


def test_partitions_of_a_connector_are_its_binds() -> None:
    made = {t.name: t.partitions for t in connector_topics("a", 5)}
    assert made["mt.dispatch.a"] == made["mt.feedback.a"] == 5


def test_every_topic_keeps_its_data_for_days_and_has_no_size_limit_but_traces_go_soon() -> None:
    for topic in TOPICS:
        config = topic.config()
        assert config["retention.bytes"] == "-1"
        if topic.transient:
            assert int(config["segment.ms"]) < int(config["retention.ms"]) <= 3_600_000, "else it is kept for longer"
        elif not topic.compacted:
            assert topic.retention_ms is not None
            assert topic.retention_ms >= 3 * 86_400_000


def test_every_row_of_the_topics_table_has_as_many_cells_as_its_head() -> None:
    lines = topics_table().splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}
    assert any("account\\|to" in line for line in lines)
