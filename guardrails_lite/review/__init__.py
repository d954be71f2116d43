"""The review desk: local pages on a compliance log, for the people who have to look at it.

`desk` makes the application, ``guardrails-lite review DIR`` serves it. `_door` decides who comes in, `_desk`
holds what all pages share, `pages` has one module for each page, `_view` turns what a page found into HTML,
JSON or CSV, `_charts` draws, `_verdicts` reads what reviewers decided. The templates and the style sheet are
beside them. What reviewers decide is written to the log itself, so it is chained and signed like the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guardrails_lite.review._app import desk

__all__ = ["desk"]


def __getattr__(name: str) -> Any:
    if name != "desk":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from guardrails_lite.review._app import desk

    return desk


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
