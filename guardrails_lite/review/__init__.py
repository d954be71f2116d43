"""The review desk: local pages about a compliance log, for the people who review it.

`desk` makes the application, and `shipped_desk` makes one that reads a log in a database;
``guardrails-lite review`` serves either. `_door` decides who may enter, `_place` says where the log is,
`_desk` holds what all pages share, `pages` has one module for each page, `_view` turns the results of a page
into HTML, JSON or CSV, and `_charts` draws. The templates and the style sheet are next to them. Reviewers'
verdicts are written to the log itself, so they are chained and signed like everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guardrails_lite.review._app import desk, shipped_desk

__all__ = ["desk", "shipped_desk"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from guardrails_lite.review import _app
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the review desk needs {error.name}, which is not installed: "
            "pip install 'guardrails-lite[review]'"
        ) from error
    return getattr(_app, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
