"""What a log may keep of a reply: its reasoning, its text and its tool calls, choice by choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from guardrails_lite._record import KeptText

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._messages import Choice
    from guardrails_lite._record import Part


def as_said(choices: Iterable[Choice], attempt: int) -> Iterator[KeptText]:
    """All that a reply says, as it came in the *attempt*."""
    for choice in choices:
        yield from _said(choice, attempt)
        for call in choice.tool_calls:
            yield KeptText(
                "output", "assistant", call.arguments, attempt, "tool call", call.name, call.id or None
            )


def as_left(choices: Iterable[Choice], plan: Plan) -> Iterator[KeptText]:
    """The same as the rules of *plan* left it.

    They are shown the arguments of a call, and neither its name nor its id. So where there are rules, a
    name is kept only if it is that of a tool that was offered, and no id is.
    """
    ruled = bool(plan.output.rules)
    for choice in choices:
        yield from _said(choice, None)
        for call in choice.tool_calls:
            name = None if ruled and call.tool is None else call.name
            ident = None if ruled else call.id or None
            yield KeptText("output", "assistant", call.arguments, None, "tool call", name, ident)


def _said(choice: Choice, attempt: int | None) -> Iterator[KeptText]:
    text = choice.text or choice.transcript
    said: tuple[tuple[Part, str | None], ...] = (
        ("reasoning", choice.reasoning),
        ("text", text),
        ("refusal", choice.refusal),
    )
    for part, words in said:
        if words:
            yield KeptText("output", "assistant", words, attempt, part)
    if not (choice.reasoning or text or choice.refusal or choice.tool_calls):
        yield KeptText("output", "assistant", "", attempt)  # that nothing was said
