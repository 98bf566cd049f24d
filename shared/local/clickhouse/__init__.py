"""Pure: the embedded ClickHouse, chdb's engine in a process of ours behind ClickHouse's HTTP interface.

Run it with ``python -m shared.local.clickhouse --data-dir DIR --port N``. Clients cannot tell it from a server by URL:
``clickhouse_connect.get_client(host=..., port=...)``, curl and BI tools work unchanged.

Reading order: ``server``, ``app``, ``requests``, ``statements``, ``execution``, ``sessions``,
``engine``. Not supported: native TCP, roles and quotas, multipart bodies, progress headers, cancelling a running query
when its client goes away.
"""
