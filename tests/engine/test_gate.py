"""The streaming law: any chunking of a reply releases the same text as the whole reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails_lite import Blocked, Finding, Guard, Rule, Validator, block, redact, validator, warn
from tests.engine.conftest import word

LETTERS = "ab1 "


def pattern(regex: str, window: int) -> Validator:
    """A validator of one regular expression."""
    compiled = re.compile(regex)

    @validator(window=window, name="pattern", params={"regex": regex})
    def find(text: str) -> Iterator[Finding]:
        for match in compiled.finditer(text):
            yield Finding("matches", span=match.span(), category=f"L{len(match.group())}")

    return find


RULES: list[list[Rule]] = [
    [redact(pattern(r"\bab1\b", 5))],
    [redact(pattern(r"(?<!1)11(?!1)", 4)), redact(pattern("aa", 2))],
    [redact(pattern(r"\ba+\b", 99))],
    [warn(pattern("b", 1)), redact(pattern("a1", 2)), warn(pattern("1", 1))],
    [block(pattern("bb1", 3))],
    [redact(pattern("ab", 2)), block(pattern("1 1", 3)), redact(pattern("b1", 2))],
    [block(pattern("aab", 3)), block(pattern("b  ", 3))],
]


def chunked(text: str, cuts: list[int]) -> list[str]:
    """*text* cut at these places."""
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)] or [""]


def streamed(rules: list[Rule], pieces: list[str]) -> tuple[str, str, list[Any]]:
    """What is released of a stream, how it ended, and what was found."""
    stream = Guard(output=rules, accept=["empty"]).stream(lambda messages: iter(pieces), "hi")
    released = []
    try:
        for piece in stream:
            released.append(piece)  # noqa: PERF402  # what came before an error is kept
        record = stream.outcome.record
    except Blocked as error:
        record = error.record
    # How far the rules had looked when one stopped the stream is a matter of the chunks.
    stopped = record.outcome == "blocked"
    found = [] if stopped else [(step.rule, step.findings) for step in record.checks]
    return "".join(released), record.outcome, found


@pytest.mark.parametrize("rules", RULES, ids=repr)
@given(text=st.text(LETTERS, max_size=40), cuts=st.lists(st.integers(0, 40), max_size=12))
@example(text="ab1", cuts=[1, 2])
@example(text="a b1 bb1 aab", cuts=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
def test_any_chunking_releases_the_same_text(rules: list[Rule], text: str, cuts: list[int]) -> None:
    """The released text, the verdict and the findings depend on the reply, not on its chunks."""
    assert streamed(rules, chunked(text, cuts)) == streamed(rules, [text])


@given(text=st.text(LETTERS, max_size=40), cuts=st.lists(st.integers(0, 40), max_size=12))
def test_a_stream_that_passes_releases_what_the_whole_call_returns(text: str, cuts: list[int]) -> None:
    """Streamed or whole, the text after the rules is the same."""
    rules = [redact(pattern(r"\bab1\b", 5)), redact(pattern("11", 2))]
    whole = Guard(output=rules, accept=["empty"]).run(lambda messages: text, "hi")

    assert streamed(rules, chunked(text, cuts))[0] == whole.value


def test_only_the_window_is_held_back() -> None:
    """Text that can no longer be part of a finding is released at once."""
    stream = Guard(output=[redact(word("secret", window=6))]).stream(lambda messages: iter("x" * 20), "hi")
    taken = "".join(next(stream) for _ in range(15))

    assert taken == "x" * 15
    stream.close()


def test_a_block_in_a_stream_lets_pass_what_came_before_it() -> None:
    """Nothing of the finding is released, and the record says how much was."""
    stream = Guard(output=[block(word("secret", window=6))]).stream(lambda messages: iter("so: secret"), "hi")
    got = []
    with pytest.raises(Blocked) as caught:
        got += list(stream)  # pragma: no branch

    assert caught.value.record.output_chars == len("so: ")


def test_overlapping_findings_are_masked_as_one() -> None:
    """The first mask stands for all that overlap."""

    @validator
    def both(text: str) -> list[Finding]:
        return [Finding("a", span=(2, 5), category="A"), Finding("b", span=(3, 8), category="B")]

    assert Guard(output=[redact(both)]).run(lambda messages: "0123456789", "hi").value == "01[A]89"


def test_a_finding_without_a_span_masks_the_whole_text() -> None:
    """Where it is not known where, nothing is left."""
    guard = Guard(output=[redact(validator(lambda text: [Finding("all of it")]))])

    assert guard.run(lambda messages: "0123", "hi").value == "[REDACTED]"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([], "streams at once"),
        ([redact(word("x", window=64))], "streams, holding back 63 characters"),
        ([warn(word("x"))], "streams at once"),
        ([block(word("x"))], "holds a streamed reply whole: block(word(text='x'))"),
    ],
)
def test_print_says_how_a_stream_is_treated(output: list[Rule], said: str) -> None:
    """`print(guard)` tells whether it streams, and which rule keeps it from streaming."""
    assert str(Guard(output=output)).endswith(f"# {said}")
