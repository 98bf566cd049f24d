"""Unit tests of the engine's configuration files."""

from xml.etree.ElementTree import fromstring

from shared.local.clickhouse.configuration import EngineLimits, server_config, users_config


def test_limits_are_in_both_files() -> None:
    limits = EngineLimits(1000, 600)
    assert fromstring(server_config(limits, "u.xml")).findtext("max_server_memory_usage") == "1000"  # noqa: S314 - ours
    profile = fromstring(users_config(limits)).find("profiles/default")  # noqa: S314 - ours
    assert profile is not None
    assert profile.findtext("max_memory_usage") == "600"
    assert profile.findtext("max_bytes_before_external_group_by") == "300"


def test_grants_end_at_the_engine() -> None:
    grant = fromstring(users_config(EngineLimits())).findtext("users/default/grants/query") or ""  # noqa: S314 - ours
    assert grant.startswith("GRANT ")
    words = grant.upper()
    for beyond in (
        "SOURCES",
        "FILE",
        "URL",
        "REMOTE",
        "KILL",
        "SHUTDOWN",
        "CREATE USER",
        "FUNCTION",
        "BACKUP",
        " ALL ",
    ):
        assert beyond not in words
