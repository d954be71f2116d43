"""`code`: program code in a text, in fences or by the look of its lines."""

# ruff: noqa: E501 - tables of words and patterns read best with long rows

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite import Finding, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words

_FENCE = re.compile(
    r"^ {0,3}(```++|~~~++)[ \t]*+([\w+#.-]{0,30})[^\n]*+\n(.*?)(?:^ {0,3}\1[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_ALIASES = {"py": "python", "js": "javascript", "ts": "typescript", "sh": "shell", "bash": "shell", "zsh": "shell", "console": "shell",
            "c++": "cpp", "golang": "go", "rs": "rust", "rb": "ruby", "yml": "yaml"}  # fmt: skip
_NO_CODE = frozenset({"text", "txt", "plain", "plaintext", "markdown", "md"})
_LINES = {
    "python": r"(?:async )?def \w+\(.*:$|class \w+.*:$|(?:from [\w.]+ )?import [\w., *]+$|(?:el)?if .+:$|for \w[\w, ()]{0,60} in .+:$|return\b.*|@\w+|with .+:$|\w+ = .+\)$",
    "javascript": r"(?:const|let|var) \w+ ?=|(?:export )?(?:async )?function\b.*[{(]|import .+ from ['\"]|\}\)?;?$|.*=> ?\{$|console\.\w+\(",
    "java": r"(?:public|private|protected|static)\b.*[;{]$|package [\w.]+;|import [\w.*]+;|@Override",
    "cpp": r"#include ?[<\"]|using namespace|(?:int|void|char|double|auto|bool) \w+.*[;{]$|std::",
    "sql": r"(?i:select\b.+\bfrom\b|insert into\b|update \w+ set\b|delete from\b|create table\b|drop table\b|alter table\b)",
    "shell": r"\$ \w+|#!/|sudo \w|(?:export|cd|mkdir|curl|grep|chmod|apt(?:-get)?|pip3?|npm|git|docker) [\w./-]+",
    "html": r"</?(?:html|head|body|div|span|script|style|table|p|a|ul|li|form|input)\b[^>]*>",
    "go": r"package \w+$|func (?:\(.*\) )?\w+\(.*\{$|\w+ := ",
    "rust": r"(?:pub )?fn \w+.*\{$|let mut \w+|use [\w:]+;|impl\b.*\{$",
}  # fmt: skip
_LOOKS = {name: re.compile(rf"\s*(?:{body})") for name, body in _LINES.items()}


def code(languages: Iterable[str] | None = None, /) -> Validator:
    """Find program code: fenced blocks, and two lines or more in a row that look like one language.

    Args:
        languages: Only these, by lower-case name, such as ``["python", "sql"]``; default: any. A fence counts
            by the language that it names, whichever that is.

    Raises:
        ConfigError: an empty list or name, or a single string.
    """
    only = None if languages is None else frozenset(tuple_of_words("code", "languages", languages))

    @validator(name="code", params={} if only is None else {"languages": sorted(only)})
    def find(text: str) -> Iterator[Finding]:
        for start, end, name in _found(text):
            if only is None or name in only:
                yield Finding("contains program code", span=(start, end), category="CODE")

    return find


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    at = 0
    for fence in _FENCE.finditer(text):
        yield from _bare(text, at, fence.start())
        name = _ALIASES.get(fence[2].lower(), fence[2].lower())
        if name not in _NO_CODE:
            looks = name or next((each for _, _, each in _bare(text, *fence.span(3))), "")
            yield *fence.span(), looks
        at = fence.end()
    yield from _bare(text, at, len(text))


def _bare(text: str, at: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Runs of lines of which two in a row look like the same language."""
    run: tuple[int, int, str] | None = None
    count = 0
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at : min(stop, at + 300)]
        name = run[2] if run and _LOOKS[run[2]].match(line) else _looks_like(line)
        if run is not None and (name == run[2] or (line[:1] in " \t}" and line.strip())):
            run = run[0], stop, run[2]
            count += name == run[2]
        elif line.strip() or run is None:
            if run is not None and count > 1:
                yield run
            run, count = (None, 0) if name is None else ((at, stop, name), 1)
        at = stop + 1
    if run is not None and count > 1:
        yield run


def _looks_like(line: str) -> str | None:
    return next((name for name, pattern in _LOOKS.items() if pattern.match(line)), None)
