"""What validators work out of one text is worked out once, and kept no longer than they look."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import Finding, Guard, Rule, Validator, block, redact, validator
from guardrails_lite._sharing import clear_desk, open_desk, shared

HELLO = "Hello, my number is 4711."


class Words:
    """What is worked out: it knows how often it was."""

    made: list[str]

    def __init__(self) -> None:
        self.made = []

    def __call__(self, text: str) -> list[str]:
        self.made.append(text)
        return text.split()


def counting(words: Words, name: str, *, finds: bool = False) -> Validator:
    @validator(name=name, window=10)
    def find(text: str) -> Iterable[Finding]:
        at = text.find(shared(text, words)[-1])
        return [Finding("is the last word", span=(at, len(text)))] if finds else []

    return find


def test_validators_that_look_at_one_text_together_share() -> None:
    words = Words()
    guard = Guard(input=[block(counting(words, name)) for name in ("first", "second", "third")])

    guard.check(HELLO, side="input")

    assert words.made == [HELLO]


def test_who_looks_after_a_text_was_rewritten_shares_what_is_left_of_it() -> None:
    words = Words()
    rules: list[Rule] = [redact(counting(words, "first", finds=True))]
    rules += [block(counting(words, name)) for name in ("second", "third")]

    outcome = Guard(input=rules).check(HELLO, side="input")

    assert words.made == [HELLO, outcome.text]


@given(masks=st.lists(st.booleans(), min_size=2, max_size=5))
def test_each_rule_looks_once_whichever_of_them_mask(masks: list[bool]) -> None:
    """A rule that rewrites is not followed by another look of those before it, nor by two of those behind."""
    looks: list[tuple[int, str]] = []

    def masking(nth: int, finds: bool) -> Rule:
        @validator(name=f"rule_{nth}", window=1)
        def find(text: str) -> Iterable[Finding]:
            looks.append((nth, text))
            span = (text.index("0"), text.index("0") + 1)
            return [Finding("is a digit", span=span, replacement="x")] if finds else []

        return redact(find)

    Guard(input=[masking(nth, finds) for nth, finds in enumerate(masks)]).check("a00000z", side="input")

    assert looks == [
        (nth, "a" + "x" * sum(masks[:nth]) + "0" * (5 - sum(masks[:nth])) + "z") for nth in range(len(masks))
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_kept_once_they_have_looked(fails: bool) -> None:
    words = Words()

    @validator
    def breaks(text: str) -> Iterable[Finding]:
        if fails:
            raise RuntimeError("broken")
        return ()

    guard = Guard(input=[block(counting(words, "first")), block(breaks)])
    guard.check(HELLO, side="input")
    guard.check(HELLO, side="input")

    assert words.made == [HELLO, HELLO]
    assert shared(HELLO, words) is not shared(HELLO, words)


def test_a_guard_inside_of_a_validator_takes_nothing_from_the_one_around_it() -> None:
    words = Words()
    inner = Guard(input=[block(counting(words, name)) for name in ("a", "b")])

    @validator
    def asks_another(text: str) -> Iterable[Finding]:
        inner.check("Another text", side="input")
        return ()

    last = block(counting(words, "last"))
    Guard(input=[block(counting(words, "first")), block(asks_another), last]).check(HELLO, side="input")

    assert words.made == [HELLO, "Another text", HELLO]


def test_another_thread_works_for_itself() -> None:
    words = Words()
    open_desk()
    try:
        mine = shared(HELLO, words)
        theirs: list[list[str]] = []
        thread = threading.Thread(target=lambda: theirs.append(shared(HELLO, words)))
        thread.start()
        thread.join()
        again = shared(HELLO, words)
    finally:
        clear_desk()

    assert again is mine
    assert theirs[0] is not mine
