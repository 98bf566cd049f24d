"""Embedded Kafka, embedded ClickHouse and process supervision: the parts that run on one machine, for one person."""
