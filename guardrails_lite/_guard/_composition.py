"""What the targets and limits of a guard come to together, checked when it is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from guardrails_lite._errors import ConfigError
from guardrails_lite._targets import Target
from guardrails_lite.reliability import Budget, Retry
from guardrails_lite.reliability._worst_case import Asked, contradictions

if TYPE_CHECKING:
    from guardrails_lite._tools import Tool
    from guardrails_lite.reliability import Clocks, Hedge


def asked_of(
    fallback: Sequence[Target], model: str | None = None, *, clocks: Clocks | None = None
) -> list[Asked]:
    """The targets that are really asked, the primary first.

    Args:
        fallback: The guard's.
        model: The model that the primary is asked for, where that is known.
        clocks: The guard's.
    """
    asked = [Asked("the primary", model, clocks=clocks)]
    for target in fallback:
        if target.kind != "answer":
            inherited = model if target.kind == "override" else None
            asked.append(
                Asked(
                    target.name,
                    target.overrides.get("model", inherited),
                    _timeout_s(target),
                    _own_retries(target.subject) if target.kind == "client" else 0,
                    target.clocks or clocks,
                )
            )
    return asked


def check_composition(
    retry: Retry,
    budget: Budget,
    fallback: Sequence[Target],
    hedge: Hedge | None,
    clocks: Clocks | None,
    *,
    tools: Sequence[Tool],
    has_schema: bool,
) -> None:
    """Refuse settings that cannot hold together.

    Args:
        retry: The guard's.
        budget: The guard's.
        fallback: The guard's.
        hedge: The guard's.
        clocks: The guard's.
        tools: Those that the guard adds to every request.
        has_schema: Whether it asks clients for replies of a JSON Schema.

    Raises:
        ConfigError: what contradicts what, with the arithmetic and the way out.
    """
    if has_schema and retry.after_text == "restart":
        raise ConfigError(
            "Retry(after_text='restart') cannot go with schema=: a part of a typed value that was shown is "
            "never taken back. Use after_text='resume'."
        )
    ends_in_answer = bool(fallback) and fallback[-1].kind == "answer"
    found = [*contradictions(retry, budget, asked_of(fallback, clocks=clocks), ends_in_answer=ends_in_answer)]
    for target in fallback:
        if target.can is not None and target.can.tools is False and tools:
            found.append(_never_asked(target, "tools"))
        if target.can is not None and target.can.schema is False and has_schema and target.completion:
            found.append(_never_asked(target, "schema"))
    if hedge is not None:
        found += _never_hedged(hedge, budget)
        found += [
            f"hedge={hedge!r} sends a call twice, and tool {tool.name!r} has effects='write', so something "
            "may be done twice. Leave out the hedge, or use another guard for calls that need the tool."
            for tool in tools
            if tool.effects == "write"
        ]
    if found:
        raise ConfigError("\n".join(found))


def check_style(retry: Retry, style: str) -> None:
    """Refuse a style of calling in which a reply cannot be taken back.

    Raises:
        ConfigError: the guard is to restart streams, and *style* gives out only the reply's own chunks.
    """
    if retry.after_text == "restart":
        raise ConfigError(
            f"Retry(after_text='restart') cannot go with {style}: its chunks are the model's own, and "
            "none of them can say that what was shown is withdrawn. Use guard.stream(...), or "
            "after_text='resume'."
        )


def check_hedged(hedge: Hedge | None, what: str, instead: str) -> None:
    """Refuse a hedge around what cannot be cancelled.

    Args:
        hedge: The guard's; None: there is nothing to refuse.
        what: Names what the guard is put around.
        instead: What to do.

    Raises:
        ConfigError: there is one.
    """
    if hedge is not None:
        raise ConfigError(
            f"hedge={hedge!r}: {what} cannot be cancelled, so a second send would run beside the first to "
            f"its end. {instead}, or leave out the hedge."
        )


def check_clocks(clocks: Clocks | None, what: str, *, can_wait: bool) -> None:
    """Refuse clocks by which a function cannot be held.

    Args:
        clocks: The guard's; None: there is nothing to refuse.
        what: Names the function.
        can_wait: Whether the wait for its reply can be ended, or it replies in chunks.

    Raises:
        ConfigError: nothing could end it when the clock has run out.
    """
    if clocks is None:
        return
    if clocks.connect_s is not None:
        raise ConfigError(
            f"Clocks.connect_s={clocks.connect_s:g}: how {what} connects cannot be seen. Wrap the client "
            "that it uses, guard.wrap(client), or leave connect_s out."
        )
    if clocks.whole_reply_s is not None and not can_wait:
        raise ConfigError(
            f"Clocks.whole_reply_s={clocks.whole_reply_s:g}: {what} is not a coroutine, so nothing can end "
            "it while it runs. Make it an `async def`, wrap the client, guard.wrap(client), or leave "
            "whole_reply_s out."
        )


def check_held(fallback: Sequence[Target]) -> None:
    """Refuse clocks of fallbacks by which these cannot be held where a call blocks its thread.

    Raises:
        ConfigError: nothing could end one of them when its clock has run out.
    """
    for target in fallback:
        if target.clocks is None or target.clocks.whole_reply_s is None or not target.blocks:
            continue
        if _is_opaque(target):
            raise ConfigError(
                f"Clocks.whole_reply_s={target.clocks.whole_reply_s:g} of {target!r}: nothing can end it "
                "while it runs, in a call that is not async. Give target() a client of the openai package, "
                "call with arun, or leave whole_reply_s out."
            )


def _is_opaque(target: Target) -> bool:
    """Whether nobody sees where it waits."""
    if target.kind == "function":
        return not inspect.isgeneratorfunction(target.subject)
    from guardrails_lite.reliability._bounded_client import bound_of

    return target.kind == "client" and bound_of(target.subject) == "cooperative"


def _never_hedged(hedge: Hedge, budget: Budget) -> Iterator[str]:
    if hedge.after_s is not None and budget.deadline_s is not None and hedge.after_s >= budget.deadline_s:
        yield (
            f"Hedge.after_s={hedge.after_s:g} is no shorter than Budget.deadline_s={budget.deadline_s:g}: no "
            "hedge is ever sent. Lower it or raise the deadline."
        )
    if budget.attempts == 1:
        yield "Budget.attempts=1 leaves no second send for hedge=. Raise it to 2, or leave out the hedge."


def _never_asked(target: Target, what: str) -> str:
    return (
        f"{target!r} is never asked: it takes no {what}, and the guard has {what}=. Leave the target out, or "
        f"declare Capabilities({what}='drop') to ask it without."
    )


def _timeout_s(target: Target) -> float | None:
    """What somebody chose: a client's default comes as an object with four times."""
    chosen = target.overrides.get("timeout", getattr(target.subject, "timeout", None))
    return float(chosen) if isinstance(chosen, (int, float)) and not isinstance(chosen, bool) else None


def _own_retries(client: object) -> int:
    """Retries of a client that cannot be told to leave them to the guard."""
    retries = 0 if hasattr(client, "with_options") else getattr(client, "max_retries", 0)
    return retries if isinstance(retries, int) else 0
