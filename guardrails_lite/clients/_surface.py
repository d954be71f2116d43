"""What a guarded client lets through to an OpenAI-compatible API, by method and path. Denied by default.

Every resource of the client ends in one HTTP request, so the paths are the whole surface. Two are guarded.
Those that neither put words before a model nor bring a model's words back pass. All others are refused.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote

from guardrails_lite._errors import ConfigError

Fate = Literal["chat", "responses", "harmless"]

_GUARDED: dict[str, Fate] = {"/chat/completions": "chat", "/responses": "responses"}

_HARMLESS = tuple(
    (methods.split(), re.compile(pattern))
    for methods, pattern in (
        ("get delete", r"/models(/.+)?"),
        ("get post delete", r"/files(/[^/]+(/content)?)?"),
        ("post", r"/uploads(/[^/]+/(parts|complete|cancel))?"),
        ("get post delete", r"/vector_stores(/[^/]+(/(files|file_batches)(/.+)?)?)?"),
        ("get post delete", r"/containers(/[^/]+(/files(/.+)?)?)?"),
        ("get", r"/batches(/[^/]+)?"),
        ("post", r"/batches/[^/]+/cancel"),
        ("get", r"/fine_tuning/.+"),
        ("post", r"/fine_tuning/jobs/[^/]+/(cancel|pause)"),
        ("delete", r"/fine_tuning/checkpoints/.+"),
        ("get post delete", r"/(organization|projects)/.+"),
        ("delete", r"/(responses|chat/completions|conversations|assistants|threads|evals|skills|videos)/.+"),
        ("post", r"/(realtime/calls|live/sessions)/[^/]+/(hangup|reject)"),
    )
)

_INSTEAD = {
    "completions": "Use chat.completions.create, which is guarded.",
    "assistants": "Use responses.create, which is guarded.",
    "threads": "Use responses.create, which is guarded.",
    "conversations": "Pass the history in responses.create(input=[...]), where it is screened.",
}


def fate_of(method: str, url: str) -> Fate:
    """Decide what happens to a request.

    Raises:
        ConfigError: it would reach a model, or bring back what one said, past the guard.
    """
    method = method.lower()
    if method == "post" and url in _GUARDED:
        return _GUARDED[url]
    path = unquote(url)
    if not {".", ".."} & set(path.split("/")):
        for methods, pattern in _HARMLESS:
            if method in methods and pattern.fullmatch(path):
                return "harmless"
    raise refused(f"{method.upper()} /{_root(path)}", _INSTEAD.get(_root(path)))


def refused(what: str, instead: str | None = None) -> ConfigError:
    """The error for a way past the guard, with the way out."""
    return ConfigError(
        f"{what} would go past the guard, so a wrapped client refuses it. "
        + (f"{instead} " if instead else "")
        + "If it needs no guard, call it on the client that was given to guard.wrap()."
    )


def _root(path: str) -> str:
    """The resource that a path belongs to; the rest may hold identifiers and stays out of errors."""
    root = path.lstrip("/").partition("/")[0].partition("?")[0]
    return root if re.fullmatch(r"[a-z_]{1,40}", root) else "…"
