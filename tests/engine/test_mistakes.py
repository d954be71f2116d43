"""What a newcomer may get wrong, and what is said: what, where, what was expected, the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import openai
import pytest

import guardrails_lite_validators as detectors
from guardrails_lite import Budget, ConfigError, Finding, Guard, Retry, block, redact, target, tool, validator
from guardrails_lite_validators import keywords, pii, refusal
from tests.engine.conftest import word

ADA = word("ada")
anything: Any = Guard
"""A guard, for what no type checker lets through."""


def anyone(of: Any) -> Any:
    """The same of anything else."""
    return of


def asks(messages: list[Any]) -> str:
    """A function that calls a model."""
    return "ok"


MISTAKES: list[tuple[str, Callable[[], Any], str]] = [
    ("decorate with the class", lambda: anything(asks), "make a guard first, and decorate with it"),
    ("a rule without a side", lambda: anything(block(ADA)), "Guard(input=[block(word(text='ada'))]) or"),
    (
        "a list without a side",
        lambda: anything([block(ADA)]),
        "Guard(input=[...]), not Guard([...])",
    ),
    ("a name without a keyword", lambda: anything("support"), "Guard(...) takes settings by name only"),
    ("a typing error", lambda: anything(imput=[block(ADA)]), "no setting imput=; did you mean input=?"),
    ("a plural", lambda: anything(fallbacks=[]), "did you mean fallback=?"),
    (
        "another library's word",
        lambda: anything(validators=[ADA]),
        "validators=; it takes accept, ",
    ),
    ("a validator for a rule", lambda: anything(input=[ADA]), "say what to do about it: block("),
    ("a rule for a validator", lambda: block(block(ADA)), "It is a rule already"),  # type: ignore[arg-type]
    ("no list", lambda: anything(input=block(ADA)), "takes a list of rules: input=["),
    ("a word for a list", lambda: anything(input="pii"), "takes a list, not str"),
    ("a word for a rule", lambda: anything(input=["pii"]), "in Python import the function, and call it"),
    ("a factory for a rule", lambda: anything(input=[pii]), "Did you forget to call it: block(pii())?"),
    ("a verb for a rule", lambda: anything(input=[block]), "Give it what it acts on: block(validator)"),
    ("a function for a rule", lambda: anything(input=[asks]), "Decorate the function with @validator, and"),
    ("several validators", lambda: redact([ADA]), "[redact(first), redact(second)]"),  # type: ignore[arg-type]
    ("a pattern", lambda: block(re.compile("a")), "Decorate a function with @validator"),  # type: ignore[arg-type]
    ("a class for a validator", lambda: validator(dict), "takes a function from text to findings"),  # type: ignore[call-overload]
    ("wrap a class", lambda: Guard().wrap(openai.OpenAI), "guard.wrap(OpenAI(...))"),
    ("wrap a function", lambda: Guard().wrap(asks), "decorate the function that calls it: @guard"),
    ("fall back to a class", lambda: target(openai.OpenAI), "target(OpenAI(...))"),
    ("guard a client", lambda: anything()(openai.OpenAI(api_key="k")), "@guard takes a function, not OpenAI"),
    ("wrap with the class", lambda: anything.wrap(openai.OpenAI(api_key="k")), "Guard(...).wrap(...)"),
    ("an option in the singular", lambda: anyone(block)(ADA, role="user"), "role=; did you mean roles=?"),
    ("an option without its unit", lambda: anyone(block)(ADA, timeout=3), "did you mean timeout_s=?"),
    ("an option without a name", lambda: anyone(block)(ADA, "user"), "block(validator, roles=, on_error=, "),
    ("a rule of nothing", lambda: anyone(block)(), "missing a required argument: 'validator'"),
    ("another library's retry", lambda: anyone(Retry)(max_retries=3), "it takes after_text, attempts, "),
    ("a budget without a unit", lambda: anyone(Budget)(deadline=3), "did you mean deadline_s=?"),
    ("a tool's term", lambda: anyone(tool)(asks, approval="deny"), "did you mean approve=?"),
    ("a validator's term", lambda: anyone(validator)(windows=3), "did you mean window=?"),
    ("a rule's option", lambda: anyone(pii)(role="user"), "role=; it takes entities, mask, threshold"),
    ("a setting of a validator", lambda: anyone(pii)(treshold=0.9), "did you mean threshold=?"),
    (
        "a setting for none",
        lambda: anyone(refusal)(threshold=0.9),
        "refusal has no setting threshold=; it takes none",
    ),
    ("a setting by position", lambda: anyone(pii)("PERSON"), "pii(entities=, threshold=, mask=)"),
    ("words by name", lambda: anyone(keywords)(words=["a"]), "it is called as keywords(words, category="),
    (
        "a finding of a number",
        lambda: anyone(Finding)(3),
        "message= of Finding must be a constant str, not int",
    ),
    ("a score in words", lambda: anyone(Finding)("x", score="high"), "must be a number from 0 to 1, not str"),
    ("a kind by number", lambda: anyone(Finding)("x", category=3), "category= of Finding must be a str"),
    (
        "a mask by number",
        lambda: anyone(Finding)("x", replacement=3),
        "replacement= of Finding must be a str",
    ),
    ("a role that is none", lambda: anything().check("hi", role="bot"), "expected one of assistant, "),
]


@pytest.mark.parametrize(
    ("mistake", "says"), [pytest.param(mistake, says, id=name) for name, mistake, says in MISTAKES]
)
def test_a_mistake_is_told_with_the_way_out(mistake: Callable[[], Any], says: str) -> None:
    """Never a bare TypeError that only says how Python counts arguments."""
    with pytest.raises(ConfigError, match=re.escape(says)):
        mistake()


@pytest.mark.parametrize("name", detectors.__all__)
def test_no_validator_only_counts_its_arguments(name: str) -> None:
    """Each names the setting that it does not have."""
    with pytest.raises(ConfigError, match=f"^{name} has no setting anything=; it takes "):
        getattr(detectors, name)(anything=1)


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        pytest.param(
            lambda: anything().run("hello"), "guard.run(function, messages), not str", id="no function"
        ),
        pytest.param(lambda: anything().stream("hello"), "guard.run(function, messages)", id="streamed"),
        pytest.param(lambda: anything.run(asks, "hello"), "guard.run(function, messages)", id="on the class"),
        pytest.param(lambda: anything().run(asks), "must be a list of chat messages", id="nothing said"),
        pytest.param(lambda: anything() | None, "guard | NoneType: only a guard", id="merge nothing"),
        pytest.param(lambda: anything() | block(ADA), "guard | Guard(input=[block(word", id="merge a rule"),
    ],
)
def test_a_wrong_use_of_a_guard_is_told_with_the_right_one(mistake: Callable[[], Any], says: str) -> None:
    """What is wrong in a call, and not in a setting, is a TypeError as anywhere in Python."""
    with pytest.raises(TypeError, match=re.escape(says)):
        mistake()


@pytest.mark.parametrize("span", [3, "ab", (1, "x"), (3, 1), (1,)], ids=repr)
def test_a_finding_at_no_place_is_a_broken_check(span: Any) -> None:
    """What a validator says wrongly counts as found, whatever it says."""

    @validator
    def points_nowhere(text: str) -> list[Finding]:
        return [Finding("is there", span=span)]

    decision = Guard(input=[redact(points_nowhere)]).check("hello")

    assert decision.verdict == "blocked"
    assert decision.record.checks[0].result == "broken"
