"""What a function's docstring says about it and its parameters: for the model to read.

The three common styles are understood: Google's ``Args:``, NumPy's underlined ``Parameters`` and Sphinx's
``:param name:``. Sections about results and errors are left out, as a model has no use for them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

_Kind = Literal["text", "google", "numpy", "sphinx", "other"]

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
    text: list[str] = []
    found: dict[str, list[str]] = {}
    for kind, lines in _sections(inspect.cleandoc(docstring or "").splitlines()):
        match kind:
            case "text":
                text += lines
            case "google":
                _read_google(lines, found)
            case "numpy":
                _read_numpy(lines, found)
            case "sphinx":
                _read_sphinx(lines, found)
    return "\n".join(text).strip(), {name: " ".join(parts) for name, parts in found.items() if parts}


def _sections(lines: Sequence[str]) -> Iterator[tuple[_Kind, list[str]]]:
    """The sections of a docstring, each without the line that only names it."""
    kind: _Kind = "text"
    section: list[str] = []
    is_numpy = False
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        title = line.strip().removesuffix(":").lower()
        is_title = title in _PARAMETERS | _OTHERS
        if is_title and not line[:1].isspace() and set(below.strip()) == {"-"}:
            yield kind, section
            kind, section, is_numpy = ("numpy" if title in _PARAMETERS else "other"), [], True
        elif is_numpy or not line or line[0].isspace():
            section.append(line)
        else:
            yield kind, section
            kind, section = "text", [line]
            if is_title and line.rstrip().endswith(":"):
                kind, section = ("google" if title in _PARAMETERS else "other"), []
            elif line.startswith(":"):
                kind = "sphinx" if _SPHINX.fullmatch(line) else "other"
    yield kind, section


def _read_google(lines: Sequence[str], found: dict[str, list[str]]) -> None:
    """``name (type): what it means``, indented, and further lines indented more."""
    names: list[str] = []
    margin: int | None = None
    for line in lines:
        if not line:
            continue
        indent = len(line) - len(line.lstrip())
        margin = indent if margin is None else margin
        if indent <= margin and (match := _GOOGLE.fullmatch(line.strip())):
            names, line = [match[1]], match[2]
        _say(found, names, line)


def _read_numpy(lines: Sequence[str], found: dict[str, list[str]]) -> None:
    """``name, name : type`` on a line, and what they mean on the lines below, indented."""
    names: list[str] = []
    for line in lines:
        is_name = not line[:1].isspace() and set(line.strip()) != {"-"}
        if is_name and (match := _NUMPY.fullmatch(line.strip())):
            names = [name.strip().lstrip("*") for name in match[1].split(",")]
        else:
            _say(found, names, line)


def _read_sphinx(lines: Sequence[str], found: dict[str, list[str]]) -> None:
    """``:param type name: what it means``, and further lines, indented."""
    match = _SPHINX.fullmatch(lines[0])
    assert match is not None
    for line in (match[2], *lines[1:]):
        _say(found, [match[1]], line)


def _say(found: dict[str, list[str]], names: Sequence[str], line: str) -> None:
    for name in names:
        found.setdefault(name, []).extend([line.strip()] if line.strip() else [])
