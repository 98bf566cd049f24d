"""Edge: who may import whom (docs/developing.md), read from the syntax trees."""

import ast

import pytest

from tests.architecture.modules import imports_any, is_pure, modules

SERVICES = sorted({name.split(".")[1] for name in modules() if name.startswith("services.") and name.count(".") > 1})
IMPURE = (
    "asyncio", "aiokafka", "faststream", "clickhouse_connect", "opentelemetry", "socket", "random", "secrets", "time",
    "datetime.datetime.now", "uuid.uuid4", "uuid.uuid1", "os", "subprocess", "threading", "shared.process.clock",
)  # fmt: skip
PURE_PARTS_OF_IMPURE = {"aiokafka.TopicPartition", "aiokafka.partitioner.murmur2", "os.path"}
"""Functions and plain tuples without I/O that live in a package of the list."""
PURE_MODULES_OF_IMPURE = ("aiokafka.protocol.types.",)
"""Octets to values and back."""


@pytest.mark.parametrize("service", SERVICES)
def test_services_never_import_each_other(service: str) -> None:
    others = [f"services.{other}" for other in SERVICES if other != service]
    found = {
        name: hits
        for name, tree in modules().items()
        if name == f"services.{service}" or name.startswith(f"services.{service}.")
        if (hits := imports_any(tree, *others))
    }
    assert found == {}


def test_schemas_import_nothing_of_ours() -> None:
    found = {
        n: h for n, t in modules().items() if n.startswith("schemas") if (h := imports_any(t, "services", "shared"))
    }
    assert found == {}


def test_shared_imports_no_service() -> None:
    assert {n: h for n, t in modules().items() if n.startswith("shared") if (h := imports_any(t, "services"))} == {}


@pytest.mark.parametrize("part", ["shared.smpp", "shared.sms"])
def test_the_protocol_parts_know_neither_kafka_nor_clickhouse(part: str) -> None:
    banned = ("aiokafka", "faststream", "clickhouse_connect", "chdb", "schemas")
    found = {n: h for n, t in modules().items() if n.startswith(part) if (h := imports_any(t, *banned))}
    assert found == {}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("aiosmpplib", ("shared.smpp",)),
        ("clickhouse_connect", ("services.recorder", "shared.operations", "shared.local")),
        ("chdb", ("shared.local",)),
        ("faststream", ("shared.membership.frame", "shared.membership.declared")),
    ],
)
def test_risky_libraries_have_one_home(library: str, homes: tuple[str, ...]) -> None:
    found = {
        name: hits
        for name, tree in modules().items()
        if not name.startswith(homes)
        if (hits := imports_any(tree, library))
    }
    assert found == {}


def test_operations_return_values_and_the_command_line_shows_them() -> None:
    """Neither an HTTP API nor a console could use what prints, or ends the process."""
    banned = ("rich", "typer", "sys", "argparse")
    found = {n: h for n, t in modules().items() if n.startswith("shared.operations") if (h := imports_any(t, *banned))}
    printing = [n for n, t in modules().items() if n.startswith("shared.operations") and _calls(t, "print")]
    assert (found, printing) == ({}, [])


def test_commands_ask_operations_and_open_nothing_themselves() -> None:
    banned = ("aiokafka", "clickhouse_connect", "shared.kafka", "shared.operations.kafka_access",
              "shared.operations.clickhouse_access", "shared.operations.topic_creation")  # fmt: skip
    commands = {n: t for n, t in modules().items() if n.startswith("services.cli.commands")}
    assert len(commands) > 10
    assert {n: h for n, t in commands.items() if (h := imports_any(t, *banned))} == {}


def test_the_command_line_has_two_clients_of_its_own() -> None:
    """What supervises must follow the beats for ever; what makes traffic is a producer like any other."""
    clients = ("aiokafka", "shared.kafka.client", "shared.kafka.produce", "shared.kafka.replay", "shared.kafka.tables")
    found = {n for n, t in modules().items() if n.startswith("services.cli") and imports_any(t, *clients)}
    assert found == {"services.cli.up.watchdog", "services.cli.demo.traffic"}


def _calls(tree: ast.Module, name: str) -> bool:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(isinstance(function, ast.Name) and function.id == name for function in calls)


def test_pure_modules_have_no_io_no_clock_and_no_chance() -> None:
    found = {}
    for name, tree in modules().items():
        if is_pure(tree):
            hits = [
                hit
                for hit in imports_any(tree, *IMPURE)
                if hit not in PURE_PARTS_OF_IMPURE and not hit.startswith(PURE_MODULES_OF_IMPURE)
            ]
            # a seeded generator handed in, or made from a seed, is no chance
            hits = [h for h in hits if not (h == "random" and _only_seeded(tree)) and h != "random.Random"]
            if hits:
                found[name] = hits
    assert found == {}


def _only_seeded(tree: ast.Module) -> bool:
    """Whether a module uses of `random` only `random.Random` with a seed."""
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "random"]
    return bool(uses) and all(use.attr == "Random" for use in uses)


def test_every_module_says_what_it_is() -> None:
    found = [
        name for name, tree in modules().items() if not (ast.get_docstring(tree) or "").startswith(("Pure:", "Edge:"))
    ]
    assert found == []


def test_services_have_the_same_outer_shape() -> None:
    flow = {"ingress", "encoder", "throttler", "binder", "correlator", "recorder", "scheduler"}
    assert {s for s in flow if f"services.{s}.app" in modules()} == flow
    for service in flow:
        names = {n.name for n in modules()[f"services.{service}.app"].body if isinstance(n, ast.FunctionDef)}
        assert "main" in names, service


OWN_PRIVATE = ("self", "cls")
SEAMS = ("shared.kafka.seam", "shared.kafka.bounded_fetch")


def test_private_names_of_libraries_are_used_in_their_seam_alone() -> None:
    """`a._b` where `a` is not the object itself; what a module of ours names with an underscore is its own."""
    found = {
        f"{name}:{node.lineno}": f"{ast.unparse(node.value)}.{node.attr}"
        for name, tree in modules().items()
        if not name.startswith(SEAMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if not (isinstance(node.value, ast.Name) and node.value.id in OWN_PRIVATE)
        if node.attr not in _private_names_of(tree)
    }
    assert found == {}


def _private_names_of(tree: ast.Module) -> set[str]:
    """What a module defines itself, so that it may use it of any object: attributes it sets, methods, slots."""
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node):
            names.add(node.attr)
    return names | {"_replace", "_asdict", "_make", "_fields"}


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in OWN_PRIVATE
