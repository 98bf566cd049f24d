"""Pure: what a short message is: alphabets, segments, headers, receipts, addresses; no Kafka, no ClickHouse."""
