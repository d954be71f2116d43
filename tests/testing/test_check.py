"""The promises of a validator, each broken once."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest

from guardrails_lite._messages import Call
from guardrails_lite._validators import Finding, validator
from guardrails_lite.testing import check_validator
from guardrails_lite.testing._check import _check_chunks, _Trial

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,3}(?![\w-])")
EXAMPLES = ["write to: ada@example.org", "ada@example.org, bob@example.net"]


def test_a_good_validator_passes() -> None:
    """Nothing is raised for a validator that keeps every promise."""

    @validator(window=400)
    def emails(text: str) -> Iterator[Finding]:
        for match in EMAIL.finditer(text):
            yield Finding("an e-mail address", span=match.span(), category="EMAIL", score=0.9)

    check_validator(emails, examples=EXAMPLES, benign=["write to us"], rounds=100)


def test_async_and_call_taking_validators_pass() -> None:
    """Every kind of validator can be checked."""

    @validator
    async def too_long(text: str) -> list[Finding]:
        return [Finding("too long")] if len(text) > 50 else []

    @validator(window=6)
    async def rivals(text: str) -> AsyncIterator[Finding]:
        for match in re.finditer("RIVAL", text):
            yield Finding("names a competitor", span=match.span())

    @validator(blocking=True)
    def with_call(text: str, call: Call) -> list[Finding]:
        return [Finding("shouts")] if text.isupper() and call.messages else []

    check_validator(too_long, examples=["word " * 20], benign=["word"])
    check_validator(rivals, examples=["a RIVAL here"], rounds=50)
    check_validator(with_call, examples=["LOUD"], benign=["quiet"])


@validator
def misses(text: str) -> list[Finding]:
    return []


@validator
def cries_wolf(text: str) -> list[Finding]:
    return [Finding("always")]


@validator
def raises_on_odd_text(text: str) -> list[Finding]:
    text.encode()
    return [Finding("found")] if "ada" in text else []


@validator
def outside(text: str) -> list[Finding]:
    return [Finding("found", span=(0, len(text) + 1))] if "ada" in text else []


@validator
def empty_span(text: str) -> list[Finding]:
    return [Finding("found", span=(1, 1))] if "ada" in text else []


@validator
def wild_score(text: str) -> list[Finding]:
    return [Finding("found", score=7.0)] if "ada" in text else []


@validator
def not_findings(text: str) -> Iterable[Finding]:
    return [match.span() for match in EMAIL.finditer(text)]  # type: ignore[misc]  # the fault under test


@validator
def quotes(text: str) -> Iterator[Finding]:
    for match in EMAIL.finditer(text):
        yield Finding(f"found {match.group()}", span=match.span())


@validator
def quotes_in_category(text: str) -> Iterator[Finding]:
    for match in EMAIL.finditer(text):
        yield Finding("an address", span=match.span(), category=match.group().upper())


@validator
def quotes_without_span(text: str) -> list[Finding]:
    return [Finding(f"bad: {text}")] if "ada" in text else []


@validator(window=8)
def narrow(text: str) -> Iterator[Finding]:
    for match in EMAIL.finditer(text):
        yield Finding("an address", span=match.span())


@validator(window=6)
def no_room_for_the_boundary(text: str) -> Iterator[Finding]:
    for match in re.finditer(r"(?<!x)ada@ex(?=a)", text):
        yield Finding("an address", span=match.span())


@validator(window=60)
def looks_far_back(text: str) -> Iterator[Finding]:
    if "quick" not in text:
        for match in re.finditer("ada", text):
            yield Finding("an address", span=match.span())


@validator(window=40)
def positional(text: str) -> Iterator[Finding]:
    for match in re.finditer("ada", text):
        if match.start() % 2 == 0:
            yield Finding("an address", span=match.span())


@validator(window=40)
def windowed_without_span(text: str) -> list[Finding]:
    return [Finding("an address")] if "ada" in text else []


@validator
def exponential(text: str) -> list[Finding]:
    return [Finding("found")] if re.search(r"^(\w+)+$|ada", text) else []


@validator
def quadratic(text: str) -> list[Finding]:
    return [Finding("found")] if re.search(r"\s+;|ada", text) else []


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (misses, r"finds nothing in examples\[0\]"),
        (cries_wolf, r"finds 'always' in benign\[0\]"),
        (raises_on_odd_text, "raised UnicodeEncodeError for odd text"),
        (outside, r"gave span \(0, 26\) for examples\[0\], which has 25 characters"),
        (empty_span, r"0 <= start < end"),
        (wild_score, "gave score 7.0"),
        (not_findings, "gave tuple .* expected Finding"),
        (quotes, "repeats text found in examples"),
        (quotes_in_category, "repeats text found in examples"),
        (quotes_without_span, "repeats text found in examples"),
        (narrow, "window=8 but gave a finding of 15 characters"),
        (no_room_for_the_boundary, "is too small"),
        (looks_far_back, "finds only without the text around"),
        (positional, "is too small"),
        (windowed_without_span, "gave a finding without a span"),
        (exponential, "grows faster than|took"),
        (quadratic, "an attacker chooses the text"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_broken_promise_is_named(broken: object, words: str) -> None:
    """Each fault is found, and the message says which promise it breaks."""
    with pytest.raises(AssertionError, match=words) as caught:
        check_validator(broken, examples=EXAMPLES, benign=["write to us"], limit_s=0.05)  # type: ignore[arg-type]
    assert "ada@" not in str(caught.value)


def test_state_between_texts_is_found() -> None:
    """A validator whose findings depend on what it saw before is refused."""
    count = itertools.count()

    @validator
    def moody(text: str) -> list[Finding]:
        return [Finding("found")] if "ada" in text and next(count) < 2 else []

    with pytest.raises(AssertionError, match="the second time"):
        check_validator(moody, examples=EXAMPLES)


def test_a_constant_message_may_share_a_word() -> None:
    """A constant message is not mistaken for a quotation when another example lacks the word."""

    @validator
    def rivals(text: str) -> Iterator[Finding]:
        for match in re.finditer("acme|rival", text):
            yield Finding("names a rival", span=match.span())

    check_validator(rivals, examples=["a rival", "acme"])
    with pytest.raises(AssertionError, match="add an example without them"):
        check_validator(rivals, examples=["a rival"])


def test_a_function_is_not_a_validator() -> None:
    """A forgotten decorator is a TypeError, not a failed promise."""
    with pytest.raises(TypeError, match="takes what @validator makes"):
        check_validator(lambda text: [])  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("name", ["examples", "benign"])
def test_one_text_is_no_list_of_texts(name: str) -> None:
    """A text that was not put in brackets is told as that, and not taken letter by letter."""
    with pytest.raises(TypeError, match=rf"{name}= of check_validator takes a list of texts, not one str"):
        check_validator(validator(lambda text: []), **{name: "a rival"})  # type: ignore[arg-type]


def test_a_finding_that_depends_on_text_let_go_long_before_is_noticed_in_a_stream() -> None:
    """Cut into chunks, the beginning is out of sight when the end comes."""

    @validator(window=6)
    def second_names(text: str) -> Iterator[Finding]:
        for match in re.finditer("(?<=ada)ada", text if "ada" in text[:30] else ""):
            yield Finding("a name said twice", span=match.span())

    with pytest.raises(AssertionError, match=r"lets other text through when examples\[0\]"):
        _check_chunks(_Trial(second_names), ["ada, " + "and then " * 9 + "adaada"], [], random.Random(0), 25)
