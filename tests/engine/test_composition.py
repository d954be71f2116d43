"""What a guard's targets and limits come to together: its worst case, and what is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import Budget, ConfigError, Guard, GuardrailsError, Price, Retry, target
from guardrails_lite.testing import ScriptedModel, completion

Call = Callable[..., Any]
OFFLINE = ConnectionError("no route to host 10.1.2.3")


@given(
    attempts=st.integers(1, 3),
    reasks=st.integers(0, 2),
    fallbacks=st.integers(0, 2),
    answer=st.booleans(),
    script=st.lists(st.sampled_from([OFFLINE, TimeoutError(), "no", "{}", completion("{")]), max_size=12),
)
def test_no_call_sends_more_than_its_worst_case(
    attempts: int, reasks: int, fallbacks: int, answer: bool, script: list[Any]
) -> None:
    """Law: whatever the model does, the requests of one call stay within `worst_case().sends`."""
    guard = Guard(
        schema={"type": "object", "required": ["x"]},
        retry=Retry(attempts=attempts, reasks=reasks, wait=0),
        fallback=[
            *(target(model=f"m-{number}") for number in range(fallbacks)),
            *([target('{"x": 1}')] if answer else []),
        ],
    )
    model = ScriptedModel(script, then=OFFLINE)
    with contextlib.suppress(GuardrailsError):
        guard.run(model, "hi")
    assert len(model.calls) <= guard.worst_case().sends


def test_the_worst_case_knows_the_models_of_the_fallbacks() -> None:
    """A fallback has its own model, or the primary's; a fixed answer costs nothing."""
    prices = {"large": Price(0, 20), "small": Price(0, 1)}
    guard = Guard(
        retry=Retry(attempts=1, reasks=0),
        fallback=[target(temperature=0.1), target(model="small"), target("Sorry.")],
        budget=Budget(deadline_s=20, prices=prices),
    )
    found = guard.worst_case(model="large", prompt_tokens=100, max_completion_tokens=1_000)

    assert (found.sends, found.seconds, found.tokens) == (3, 20, 3_300)
    assert found.cost_usd == pytest.approx(3 * 0.02)
    assert guard.worst_case(prompt_tokens=100, max_completion_tokens=1_000).cost_usd is None


class Stubborn:
    """A client of another maker that cannot be told not to retry."""

    max_retries = 2

    class chat:
        class completions:
            @staticmethod
            def create(**params: Any) -> str:
                raise AssertionError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fallback": [target(model="m", timeout=30)]}, "one attempt may take 30 s, and only 20 s of"),
        ({"fallback": [target(openai.OpenAI(api_key="k", timeout=25), model="m")]}, "attempt may take 25 s"),
        ({"fallback": [target(model="m", timeout=8)]}, "3 attempts of 8 s and their waits take up to 24.6 s"),
        ({"retry": Retry(wait=30)}, "no retry is ever made"),
        (
            {"fallback": [target(model="m")], "budget": Budget(attempts=1)},
            "Budget.attempts=1 is less than the 2",
        ),
        ({"fallback": [target(Stubborn())]}, "Stubborn retries 2 times by itself, so 3 attempts become 9"),
        (
            {"fallback": [target(model="llama")], "budget": Budget(cost_usd=1)},
            "Budget.cost_usd=1 cannot hold for llama",
        ),
    ],
)
def test_what_cannot_hold_is_refused_when_the_guard_is_built(settings: dict[str, Any], message: str) -> None:
    """The arithmetic stands in the message, before any outage finds it out."""
    with pytest.raises(ConfigError) as raised:
        Guard(**{"budget": Budget(deadline_s=20), **settings})
    assert message in str(raised.value)


def test_everything_wrong_is_said_at_once() -> None:
    """Two contradictions are two lines."""
    with pytest.raises(ConfigError) as raised:
        Guard(retry=Retry(wait=30), fallback=[target(model="m", timeout=30)], budget=Budget(deadline_s=20))
    assert len(str(raised.value).splitlines()) == 2


def test_defaults_of_clients_are_no_contradiction() -> None:
    """A client whose time-outs nobody chose is cut to the deadline without a word."""
    Guard(fallback=[target(openai.OpenAI(api_key="k"), model="m")], budget=Budget(deadline_s=1))


def test_a_fixed_answer_costs_nothing(call: Call) -> None:
    """It is no attempt of the budget, has no model, and is free in every currency."""
    guard = Guard(
        retry=Retry(attempts=1),
        fallback=[target("Sorry, it is long.")],
        budget=Budget(attempts=1, tokens=3, cost_usd=0.01, prices={"m": Price(1, 1)}),
    )

    text, outcome, _ = call(guard, [OFFLINE], "hi", model="m")

    assert text == "Sorry, it is long."
    step = outcome.record.attempts[-1]
    assert (step.target, step.model, step.cost_usd) == ("fixed answer", None, 0.0)
