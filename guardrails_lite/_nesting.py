"""How deep JSON is nested, told before a parser goes there.

A parser that recurses takes a hostile text to the interpreter's own limit. What the garbage collector ends
just then, a connection for instance, fails for want of depth and stays open.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 200
"""Levels of nesting. It is jiter's and pydantic-core's own limit (an empty one more passes);
ours is stated so that all agree."""

_ALL_BUT_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^]["{}]++', re.DOTALL)


class TooDeepError(RecursionError):
    """JSON that is nested deeper than `MAX_DEPTH` levels."""

    def __init__(self) -> None:
        super().__init__(f"JSON nested deeper than {MAX_DEPTH} levels")


def loads(text: str | bytes, **options: Any) -> Any:
    """``json.loads``, which goes no deeper than `MAX_DEPTH`.

    Raises:
        ValueError: it is no JSON.
        TooDeepError: it is nested deeper.
    """
    refuse_depth(text)
    return json.loads(text, **options)


def refuse_depth(text: str | bytes) -> None:
    """Look at JSON before it is parsed. What is no JSON may pass, for a parser stops where that shows.

    Raises:
        TooDeepError: it is nested deeper than `MAX_DEPTH` levels.
    """
    if len(text) <= MAX_DEPTH:
        return
    if isinstance(text, bytes):
        if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
            return
        text = text.decode(json.detect_encoding(text), "replace")
    elif text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _ALL_BUT_BRACKETS.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise TooDeepError
