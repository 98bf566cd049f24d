"""Pure: the only contract between services: topics in flow order, one file a topic, ClickHouse migrations.

Every wire model is frozen, has plain types (epoch-millisecond integers, strings, Literal words), ignores unknown fields
and carries `schema_version`. A field may be added with a default; anything else is a new version, whose model also
reads the earlier ones, since they still lie in the topics during an upgrade (`schemas.wire.Wire.from_earlier`).
"""
