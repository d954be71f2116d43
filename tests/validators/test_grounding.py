"""`grounding`: what a reply states and its context does not have."""

from __future__ import annotations

import time
from typing import Any

import pytest

from guardrails_lite import Blocked, ConfigError, Guard, block
from guardrails_lite._messages import Call
from guardrails_lite.testing import ScriptedModel
from guardrails_lite_validators import grounding

CONTEXT = [
    "Order A-7 of 1,200.50 euros was placed on 3 May 2024 by Grace Hopper.",
    'The shop said "we will refund it soon" on https://shop.example/help.',
]


def found(text: str, context: Any = CONTEXT, **terms: Any) -> list[tuple[str | None, str]]:
    """What is found, and where."""
    findings = grounding(context, **terms).find(text, Call(()))
    return [(finding.category, text[slice(*finding.span)]) for finding in findings]


@pytest.mark.parametrize(
    "text",
    [
        "It was 1200.50 euros.",
        "It was placed on 2024-05-03, or May 3, 2024.",
        "See www.shop.example/help/",
        "They said \u201cWe will refund it, soon\u201d.",
        "There are three steps:\n1. Wait.\n2. Ask.\n3. Wait again, 12 days.",
    ],
)
def test_what_was_given_may_be_said_in_another_form(text: str) -> None:
    """By value, not by spelling; small numbers come up by counting."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("It was 1300 euros.", "NUMBER", "1300"),
        ("On May 4, 2024.", "DATE", "May 4, 2024"),
        ("See https://evil.example/help", "LINK", "https://evil.example/help"),
        ('They said "you will never see it again".', "QUOTE", "you will never see it again"),
    ],
)
def test_what_was_not_given_is_found(text: str, kind: str, told: str) -> None:
    """With its place."""
    assert found(text) == [(f"UNGROUNDED_{kind}", told)]


def test_names_are_looked_at_where_asked_for() -> None:
    """They are told by their capitals only, so not by default."""
    assert found("Ask Alan Turing.") == []
    assert found("Ask Alan Turing.", kinds=["name"]) == [("UNGROUNDED_NAME", "Ask Alan Turing")]
    assert found("It was Grace Hopper.", kinds="name") == []


def test_the_context_is_the_conversation_by_default() -> None:
    """Everything in the messages, tool results too."""
    guard = Guard(output=[block(grounding())])
    messages = [
        {"role": "user", "content": "What did it cost?"},
        {"role": "assistant", "content": "Wait."},
        {"role": "user", "content": [{"type": "text", "text": "The bill says 450 euros."}]},
    ]

    assert guard.run(ScriptedModel(["It cost 450 euros."]), messages).value
    with pytest.raises(Blocked, match="states a number that was not given"):
        guard.run(ScriptedModel(["It cost 540 euros."]), messages)


def test_settings_are_checked() -> None:
    """A single string would be taken letter by letter."""
    with pytest.raises(ConfigError, match="single string"):
        grounding("The context.")
    with pytest.raises(ConfigError, match="expected some of date"):
        grounding(kinds=["numbers"])


def test_a_long_run_of_digits_is_a_number_like_any_other() -> None:
    """Longer than Python turns into an integer."""
    (finding,) = grounding(["12"]).find("It is " + "7" * 5000, Call(()))  # type: ignore[misc]
    assert finding.category == "UNGROUNDED_NUMBER"


@pytest.mark.parametrize(
    "seed", ["12 ", '"', '" abc def ghi "', "1. ", "https://a.example/b ", "2024-01-02 "]
)
def test_twice_the_reply_takes_about_twice_the_time(seed: str) -> None:
    """Linear in length; going back to the beginning for each number would take four times as long."""

    def seconds(size: int) -> float:
        text = seed * (size // len(seed))
        spent = []
        for _ in range(3):
            started = time.thread_time()
            list(grounding(["x"]).find(text, Call(())))  # type: ignore[arg-type]
            spent.append(time.thread_time() - started)
        return max(min(spent), 0.002)

    assert min(seconds(80_000) / seconds(40_000) for _ in range(2)) < 3.2
