"""No module imports upward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import guardrails_lite

ROOT = Path(guardrails_lite.__file__).parent

LAYERS = [
    ["_errors", "_loopback", "_patience", "_seam", "_sqlite"],
    ["_rules"],
    ["_messages", "_who"],
    ["_capabilities", "_record", "_targets", "_texts"],
    ["_agreement", "_binding", "_shapes", "_shapes_responses", "sinks"],
    ["_integrity", "_schema", "_tools", "reliability", "schemas"],
    ["_effects", "_flights"],
    ["_screen"],
    ["_asking", "_composition", "_gate", "_plan", "_story"],
    ["_cache", "_incoming", "_partials"],
    ["_endings"],
    ["_hedging", "_request"],
    ["_checking", "_resuming"],
    ["_engine"],
    ["_drivers"],
    ["_decorating", "_settings"],
    ["_files", "_guard", "_plugins"],
    ["audit", "clients", "evaluation", "testing"],
    ["cli", "review"],
    ["__init__", "__main__"],
]
"""Lowest first. Modules of one layer may import one another; a folder is one module here."""

HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_a_module_imports_only_from_its_own_layer_or_below(file: str) -> None:
    """What loads with a module lies below it; only types, and what loads on demand, may lie above."""
    name = _module(file)
    assert name in HEIGHT, f"{file} has no layer: give it one in LAYERS"

    upward = [
        f"line {line}: {imported}"
        for line, imported in _imports(ROOT / file)
        if HEIGHT[imported] > HEIGHT[name]
    ]

    assert upward == []


def _module(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the module of each import of ours that runs when *path* is loaded."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pending.extend(node.orelse)
                continue
            case ast.Import(names=names):
                dotted = [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names):
                dotted = [f"{module}.{name.name}" for name in names]
            case _:
                dotted = []
        for name in dotted:
            package, _, rest = name.partition(".")
            if package == "guardrails_lite" and rest.split(".")[0] in HEIGHT:
                yield node.lineno, rest.split(".")[0]  # type: ignore[attr-defined]  # imports have lines
        pending.extend(ast.iter_child_nodes(node))
