"""No module imports upward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import guardrails_lite

ROOT = Path(guardrails_lite.__file__).parent

LAYERS = [
    [
        *(
            "_arguments",
            "_counts",
            "_errors",
            "_harmless",
            "_loopback",
            "_nesting",
            "_patience",
            "_policy",
            "_rates",
        ),
        *("_sharing", "_sqlite", "_threads"),
    ],
    ["_rules", "_validators"],
    ["_messages", "_who"],
    ["_capabilities", "_record", "_targets", "sinks"],
    ["_engine._ids", "_engine._integrity", "_engine._running", "_schema", "_tools", "reliability", "schemas"],
    ["_engine._effects", "_engine._flights"],
    ["_engine._tally"],
    ["_engine._screen"],
    ["_engine._asking", "_engine._gate", "_engine._kept", "_engine._plan", "_engine._story"],
    ["_engine._cache", "_engine._incoming", "_engine._partials"],
    ["_engine._endings"],
    ["_engine._hedging", "_engine._request"],
    ["_engine._checking", "_engine._failing", "_engine._resuming"],
    ["_engine._attempt"],
    ["_engine._climbing"],
    ["_engine", "_engine._exchange"],
    ["_engine._drivers"],
    ["_guard", "_plugins"],
    ["audit", "clients", "evaluation", "testing"],
    ["cli", "review"],
    ["__init__", "__main__"],
]
"""Lowest first. Modules of one layer may import one another. A folder is a module, or its files are named."""

HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
OUTSIDE = {"__init__", "__main__"}
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


def test_the_design_draws_these_layers() -> None:
    """Every module and folder of the package stands in the drawing, none below what it may import."""
    page = Path(__file__).parents[1] / "docs" / "explanation" / "design.md"
    drawing = page.read_text(encoding="utf-8").partition("## The packages")[2].split("```")[1]
    rows = [line.partition("    ")[0].split() for line in drawing.splitlines()[1:]]
    drawn = [name for row in rows for name in row]
    heights = [HEIGHT[name] for name in drawn]

    assert heights == sorted(heights, reverse=True)
    assert sorted(drawn) == sorted({file.split("/")[0].removesuffix(".py") for file in FILES} - OUTSIDE)


def _module(file: str) -> str:
    return _known(file.removesuffix(".py").split("/"))


def _known(parts: list[str]) -> str:
    """The name in LAYERS under which a module stands: its own, or its folder's."""
    inner = ".".join(parts[:2])
    return inner if inner in HEIGHT else parts[0]


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
            package, *parts = name.split(".")
            if package == "guardrails_lite" and parts and _known(parts) in HEIGHT:
                yield node.lineno, _known(parts)  # type: ignore[attr-defined]  # imports have lines
        pending.extend(ast.iter_child_nodes(node))
