"""What a function's docstring says about it and its parameters: for the model to read.

The three common styles are understood: Google's ``Args:``, NumPy's underlined ``Parameters`` and Sphinx's
``:param name:``. Sections about results and errors are left out, as a model has no use for them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

_PARAMETERS = frozenset(
    {"args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "other parameters"}
)
_OTHERS = frozenset(
    {"returns", "return", "raises", "yields", "yield", "warns", "example", "examples", "note", "notes"}
    | {"see also", "references", "attributes", "todo", "warning", "warnings", "receives", "methods"}
)
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?")
_SPHINX = re.compile(r":param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")


def read_docstring(docstring: str | None) -> tuple[str, Mapping[str, str]]:
    """Split *docstring* into what the function does and what each parameter means."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    text: list[str] = []
    found: dict[str, list[str]] = {}
    style = "text"
    names: list[str] = []
    margin: int | None = None
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        indent = len(line) - len(line.lstrip())
        title = line.strip().removesuffix(":").lower()
        if title in _PARAMETERS | _OTHERS and not indent and set(below.strip()) == {"-"}:
            style, names = ("numpy" if title in _PARAMETERS else "numpy other"), []
            continue
        if style.startswith("numpy"):
            if not indent and set(line.strip()) != {"-"} and (match := _NUMPY.fullmatch(line.strip())):
                names = [name.strip().lstrip("*") for name in match[1].split(",")]
            elif style == "numpy":
                _say(found, names, line)
            continue
        if not indent and line:
            style, names, margin = "text", [], None
            if line.rstrip().endswith(":") and title in _PARAMETERS | _OTHERS:
                style = "google" if title in _PARAMETERS else "google other"
            elif match := _SPHINX.fullmatch(line):
                style, names = "sphinx", [match[1]]
                _say(found, names, match[2])
            elif line.startswith(":"):
                style = "sphinx other"
        if style == "text":
            text.append(line)
        elif style == "sphinx" and indent:
            _say(found, names, line)
        elif style == "google" and indent:
            margin = indent if margin is None else margin
            if indent <= margin and (match := _GOOGLE.fullmatch(line.strip())):
                names = [match[1]]
                line = match[2]
            _say(found, names, line)
    return "\n".join(text).strip(), {name: " ".join(parts) for name, parts in found.items() if parts}


def _say(found: dict[str, list[str]], names: list[str], line: str) -> None:
    for name in names:
        found.setdefault(name, []).extend([line.strip()] if line.strip() else [])
