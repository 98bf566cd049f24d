"""Edge: nothing stands in a module that only a test uses, or nobody: every name of it is used there or imported."""

import ast
from collections.abc import Iterator

from tests.architecture.modules import imports, modules

ENTRY_POINTS = {f"services.{name}.app.main" for name in
                ("ingress", "encoder", "throttler", "binder", "correlator", "recorder", "scheduler", "http_api",
                 "simulator")}  # fmt: skip
"""What `services/__main__.py` calls by name."""

STATEMENTS = {
    "schemas.payloads.kinds.PAYLOAD_MODELS": "the contract of what the makers beside it write by hand",
    "schemas.topics.CO_PARTITIONED": "a promise that the registry makes about itself",
    "shared.smpp.constants.INTERFACE_VERSION_33": "vocabulary of SMPP",
    "shared.smpp.constants.INTERFACE_VERSION_50": "vocabulary of SMPP",
}
"""What is there to be read, and kept true by tests."""

OF_THE_SMPP_CORE = {
    "shared.smpp.codec.decode_next": "the codec for whoever has no session",
    "shared.smpp.codec.encode": "the codec for whoever has no session",
    "shared.sms.udh.application_ports": "the other direction of what is read",
}
"""The core is whole for either side of SMPP, though today's services do not use each part of it."""


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.decorator_list or isinstance(node, ast.ClassDef):  # a decorator may have entered it somewhere
                yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _used(tree: ast.Module) -> set[str]:
    """Names that a module reads, also in annotations that are texts."""
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return names | {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _taken_from_others(tree: ast.Module) -> Iterator[str]:
    """Dotted names that are imported, or read of a module that is: `from shared.kafka import seam`, `seam.install`."""
    local: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            local |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    yield from imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in local:
            yield f"{local[node.value.id]}.{node.attr}"


def test_every_name_of_a_module_is_used() -> None:
    taken = {name for tree in modules().values() for name in _taken_from_others(tree)}
    dead = {
        f"{module}.{name}"
        for module, tree in modules().items()
        for name in set(_defined(tree)) - _used(tree)
        if f"{module}.{name}" not in taken
    }
    assert dead == ENTRY_POINTS | STATEMENTS.keys() | OF_THE_SMPP_CORE.keys()
