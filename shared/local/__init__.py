"""Edge: embedded Kafka, embedded ClickHouse and process supervision: the parts of one machine, for one person."""
