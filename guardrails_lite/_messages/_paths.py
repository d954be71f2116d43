"""How errors name a text of a request: by its path, in the words of whoever made the request."""

from __future__ import annotations

import re
from collections.abc import Callable

Where = tuple[str | int, ...]
"""The steps to a text inside a message or a parameter, such as ``("content", 0, "text")``."""
PathOf = Callable[[int, Where], str]
"""Names the text at a place in the message of this number; less than nothing for a parameter (`_params`)."""

_DOCUMENTED = frozenset(
    [
        *("messages", "input", "tools", "functions", "response_format", "prediction"),
        *("web_search_options", "text", "prompt"),
    ]
)
"""Parameters whose fields are the API's, not the caller's own words."""
_TELLABLE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]{0,63}")
"""A key that may stand in an error: it reads as a name, not as a text."""


def path_of(message: int, where: Where) -> str:
    """The path as people read it: ``messages[2].content[0].text``, ``metadata["ticket"]``."""
    return path_to(*where) if message < 0 else path_to("messages", message, *where)


def path_to(name: str | int, *steps: str | int) -> str:
    """The same for the steps inside a parameter of this name."""
    path = str(name)
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not _TELLABLE.fullmatch(step):
            path += "[...]"
        else:
            path += f".{step}" if name in _DOCUMENTED and step.isidentifier() else f'["{step}"]'
    return path
