"""Pure: the engine's configuration files, as text.

Two things matter: grants without any source (file, url, remote, ...), so that SQL reaches neither files
nor the network, and few, quiet background threads, so that an idle engine costs next to nothing.
"""

from dataclasses import dataclass

_MEBI = 1 << 20
_SMALL_MACHINE_OCTETS = 1500 * 1000 * 1000

# No SOURCES, no KILL, no user administration, no SYSTEM SHUTDOWN, no functions, no BACKUP.
_GRANTS = (
    "SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, "
    "CREATE TEMPORARY TABLE, CREATE ARBITRARY TEMPORARY TABLE, DROP, TRUNCATE, OPTIMIZE, "
    "SYSTEM MERGES, SYSTEM FLUSH, SYSTEM DROP CACHE, dictGet"
)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Memory in octets: of the whole engine, and of one query. Exceeding them is error 241, never a crash."""

    memory_octets_max: int = _SMALL_MACHINE_OCTETS
    query_memory_octets_max: int = _SMALL_MACHINE_OCTETS * 2 // 3


def server_config(limits: EngineLimits, users_file: str) -> str:
    """Return config.xml; ``users_file`` is relative to the working directory of the engine."""
    return f"""<clickhouse>
  <max_server_memory_usage>{limits.memory_octets_max}</max_server_memory_usage>
  <mark_cache_size>{64 * _MEBI}</mark_cache_size>
  <index_mark_cache_size>{8 * _MEBI}</index_mark_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_schedule_pool_size>2</background_schedule_pool_size>
  <background_schedule_pool_initial_size>1</background_schedule_pool_initial_size>
  <memory_worker_period_ms>1000</memory_worker_period_ms>
  <users_config>{users_file}</users_config>
</clickhouse>
"""


def users_config(limits: EngineLimits) -> str:
    """Return users.xml: one user, default, who may do everything inside the engine and nothing outside of it.

    A GROUP BY or ORDER BY that needs more than half of a query's memory goes on on disk.
    """
    spill_octets = limits.query_memory_octets_max // 2
    return f"""<clickhouse>
  <profiles>
    <default>
      <max_memory_usage>{limits.query_memory_octets_max}</max_memory_usage>
      <max_bytes_before_external_group_by>{spill_octets}</max_bytes_before_external_group_by>
      <max_bytes_before_external_sort>{spill_octets}</max_bytes_before_external_sort>
    </default>
  </profiles>
  <users>
    <default>
      <password></password>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants><query>GRANT {_GRANTS} ON *.*</query></grants>
    </default>
  </users>
  <quotas><default/></quotas>
</clickhouse>
"""
