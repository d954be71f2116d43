"""What the tests of the engine share: the four styles of calling, and small validators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from guardrails_lite import Finding, Guard, Retry, Validator, validator
from guardrails_lite.testing import STYLES, ScriptedModel, Style

NOW = Retry(attempts=3, reasks=2, wait=0)
"""Retries without waiting."""


@pytest.fixture(params=STYLES, ids=str)
def style(request: pytest.FixtureRequest) -> Style:
    """One way to call a guard; a test that takes it runs in all four."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def call(style: Style) -> Callable[..., Any]:
    """Call a guard in this style: ``call(guard, script, prompt) -> (released, outcome, model)``."""

    def make(
        guard: Guard[Any], script: list[Any], said: Any = "hi", /, **params: Any
    ) -> tuple[str, Any, Any]:
        model = ScriptedModel(script, size=3)
        if style.is_stream and guard._plan.schema is not None:  # what is shown cannot be asked for again
            outcome = Style("arun" if style.is_async else "run").call(
                guard, style.model(model), said, **params
            )
            return outcome.reply.text, outcome, model
        released, outcome = style.released(guard, model, said, **params)
        text = "".join(map(text_of, released)) if style.is_stream else outcome.reply.text
        return text, outcome, model

    return make


class Source:
    """A model that streams *pieces*, and tells how many were taken and that it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.given = 0
        self.closed = False

    def __call__(self, messages: Any, **params: Any) -> Iterator[Any]:
        try:
            for piece in self.pieces:
                self.given += 1
                yield piece
        finally:
            self.closed = True


def text_of(piece: Any) -> str:
    """The text of a released piece: a string, a chunk, or a whole completion."""
    if isinstance(piece, str):
        return piece
    return "".join(
        (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        for choice in piece["choices"]
    )


def word(text: str, *, window: int | None = None, category: str | None = None) -> Validator:
    """A validator that finds each occurrence of *text*."""

    @validator(window=window, name="word", params={"text": text})
    def find(seen: str) -> Iterator[Finding]:
        at = seen.find(text)
        while at >= 0:
            yield Finding("contains the word", span=(at, at + len(text)), category=category)
            at = seen.find(text, at + len(text))

    return find
