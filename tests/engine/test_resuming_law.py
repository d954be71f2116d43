"""The law of a stream that is gone on with: wherever it breaks, the same text comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails_lite import Blocked, Finding, Guard, StreamInterrupted, block, redact, validator
from guardrails_lite.testing import Style
from tests.engine.breaking import OFFLINE, RESUME, shown
from tests.engine.conftest import word

PIECES = ["one ", "KEY", "two, ", "3 ", "K", "EY", "four ", "KEKEY ", "STOP", "ST", "five.", "sixty ", "7; "]


def keys(text: str) -> list[Finding]:
    return [
        Finding("is a key", span=(at, at + 3), replacement="#")
        for at in range(len(text))
        if text.startswith("KEY", at)
    ]


CHAIN = [
    redact(validator(window=3, name="keys")(keys)),
    redact(word("wo#", window=5)),
    block(word("STOP", window=4)),
]


def numbered(words: list[str]) -> str:
    """The words with something between that never comes twice, so that nothing looks repeated."""
    return "".join(f"{word}{place * 7919:05d}" for place, word in enumerate(words))


def broken(text: str, at: int, size: int, repeat: int) -> Callable[..., Iterator[str]]:
    """A model that breaks off after *at* characters, and goes on where it stopped."""
    calls = 0

    def model(messages: list[dict[str, Any]]) -> Iterator[str]:
        nonlocal calls
        calls += 1
        if calls == 1:
            begun = text[:at]
        elif len(messages) == 1:  # nothing had been shown
            begun = text
        else:
            begun = messages[-2]["content"][-repeat:] * bool(repeat) + text[at:]
        for start in range(0, len(begun), size):
            yield begun[start : start + size]
        if calls == 1:
            raise OFFLINE

    return model


def assert_breaking_changes_nothing(text: str, at: int, size: int, repeat: int) -> None:
    whole, verdict = shown(Style("stream"), Guard(output=CHAIN), lambda _: iter([text]))
    got, outcome = shown(Style("stream"), Guard(output=CHAIN, retry=RESUME), broken(text, at, size, repeat))
    if isinstance(verdict, Blocked) and not isinstance(outcome, Blocked):
        assert isinstance(outcome, StreamInterrupted)
        assert "objects to the text" in str(outcome)
        assert "".join(whole).startswith("".join(got))
    else:
        assert type(outcome) is type(verdict)
        assert "".join(got) == "".join(whole)


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6),
    st.integers(0, 100),
    st.sampled_from([1, 2, 3, 7, 100]),
    st.sampled_from([0, 0, 16, 30, 1000]),
)
@example(["STOP"], 3, 1, 0)
@settings(max_examples=100, deadline=None)
def test_wherever_it_breaks_the_same_is_released(words: list[str], at: int, size: int, repeat: int) -> None:
    """Whatever of a text came in which stream, in which pieces, and was told twice: the same comes out.

    A rule that stops the text stops it at the same place; where its finding has come but is still held back,
    the stream is not resumed, and no more is shown.
    """
    text = numbered(words)
    assert_breaking_changes_nothing(text, at % (len(text) + 1), size, repeat)


@pytest.mark.parametrize("repeat", [0, 1000])
@pytest.mark.parametrize("end", ["", "STOP, no"])
def test_it_may_break_at_every_character(end: str, repeat: int) -> None:
    """The same for each place of one text in which every rule of a chain finds something."""
    text = f"one KEYKEKEY, twoKEY 3 four{end}"
    for at in range(len(text) + 1):
        assert_breaking_changes_nothing(text, at, 2, repeat)
