"""Edge: Kafka as this project uses it: clients, what is produced, what is read back, tables of compacted topics."""
