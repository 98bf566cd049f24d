"""What a short message is: alphabets, segments, user data headers, receipts, addresses; no Kafka, no ClickHouse."""
