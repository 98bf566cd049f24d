"""What a short message is: alphabets, segments, user data headers, receipts, addresses. Imports neither Kafka nor ClickHouse."""
