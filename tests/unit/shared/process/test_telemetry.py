"""What is counted."""

from shared.process.metrics import REGISTRY, count_records_out


def _value(name: str, topic: str) -> float:
    return REGISTRY.get_sample_value(name, {"topic": topic}) or 0.0


def test_every_dead_letter_counts_not_every_batch_with_one() -> None:
    letters, records = "test.counted.dlq", "test.counted"
    count_records_out([letters, records, letters, letters])
    assert _value("smsgw_dead_letters_total", letters) == _value("smsgw_records_out_total", letters) == 3
    assert _value("smsgw_records_out_total", records) == 1
    assert _value("smsgw_dead_letters_total", records) == 0
