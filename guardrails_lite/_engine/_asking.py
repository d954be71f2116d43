"""What is said to the model when its reply was not accepted.

The conversation stays whole, and after it come two things only: the reply as it was, with what must not
be repeated masked, and what was wrong with it, as places and expectations. The newest failure replaces
the one before, so a request never grows with the number of failures. Our words are constants; they quote
neither values nor the text that a rule objected to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._screen import masked
from guardrails_lite._engine._tally import Stop

if TYPE_CHECKING:
    from guardrails_lite._messages import Choice
    from guardrails_lite._tools import Verdict
    from guardrails_lite._validators import Finding
    from guardrails_lite.schemas.parts import Parts
    from guardrails_lite.schemas.problems import Problem

LIMIT_BYTES = 2000
"""The most that one re-ask says about what was wrong."""
ECHO_CHARS = 4000
"""The most of a reply that is sent back with it."""

WITHHELD = "[reply withheld]"


class Invalid(Exception):
    """A whole reply that is not what was declared. Carries how to ask again, and how it counts."""

    def __init__(
        self,
        messages: Sequence[Any],
        *,
        fingerprint: str,
        what: str,
        because: str,
        kind: str = "schema failed",
        narrowed: Narrowed | None = None,
    ) -> None:
        super().__init__(what)
        self.messages = tuple(messages)
        """What to add to the conversation to ask again."""
        self.fingerprint = fingerprint
        """Names the set of failures: the same twice means that asking again does not help."""
        self.what = what
        """One line for errors and records, free of any text of the reply."""
        self.because = because
        """``schema``, ``tools`` or ``rule``."""
        self.kind = kind
        """The outcome if nothing else helps."""
        self.narrowed = narrowed
        """How to ask for the wrong parts only, where that is possible."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A question about some parts of a reply, in place of one about all of it."""

    parts: Parts
    messages: tuple[Any, ...] = field(repr=False)
    """What to add to the conversation to ask it."""


def about_schema(choice: Choice, problems: Sequence[Problem], parts: Parts | None = None) -> Invalid:
    """A reply that does not fit the output schema, with the parts to ask for where the whole need not be."""
    from guardrails_lite.schemas.problems import feedback, fingerprint

    text = choice.text or ""
    what = feedback(problems, limit_bytes=LIMIT_BYTES)
    return Invalid(
        _turn(text, f"{_FORM}\n{what}\nReply again with the corrected JSON and nothing else."),
        fingerprint=fingerprint(problems),
        what=f"the reply does not fit the schema: {what.splitlines()[0] if what else 'no value'}",
        because="schema",
        narrowed=_about_parts(text, problems, parts) if parts is not None else None,
    )


_FORM = "Your last reply was not accepted, because it does not have the required form:"


def _about_parts(text: str, problems: Sequence[Problem], parts: Parts) -> Narrowed | None:
    from guardrails_lite.schemas.problems import feedback

    legend = parts.legend
    left = LIMIT_BYTES - len(legend.encode())
    shown = parts.echo(text, limit_chars=ECHO_CHARS)
    if shown is None or left < LIMIT_BYTES // 4:
        return None
    end = f"Reply with a JSON object of {', '.join(parts.names)} and nothing else, where\n{legend}"
    return Narrowed(parts, _turn(shown, f"{_FORM}\n{feedback(problems, limit_bytes=left)}\n{end}"))


def about_tools(choice: Choice, verdicts: Sequence[Verdict]) -> Invalid:
    """A turn of tool calls of which some were refused."""
    from guardrails_lite._tools import feedback_messages

    refused = [verdict for verdict in verdicts if not verdict.ok]
    return Invalid(
        feedback_messages(choice, verdicts),
        fingerprint="\0".join(
            f"{verdict.call.name}:{verdict.reason}:{[str(problem) for problem in verdict.problems]}"
            for verdict in refused
        ),
        what=f"a tool call was refused: {refused[0].reason}",
        because="tools",
        kind="tool denied",
    )


def about_missing_call() -> Invalid:
    """A reply without a tool call where one was required."""
    asked = "Your last reply was not accepted: call one of the tools, as the request requires."
    return Invalid(
        ({"role": "user", "content": asked},),
        fingerprint="missing call",
        what="the reply calls no tool, though the request requires it",
        because="tools",
    )


def to_go_on(text: str, *, one_turn: bool) -> tuple[Any, ...]:
    """What to add to a conversation whose reply broke off after *text*.

    Args:
        text: The reply so far.
        one_turn: Only the newest message reaches the model, so that says it all.
    """
    if one_turn:
        asked = f"You began to reply, and the reply was cut off. {GO_ON} So far it is:\n\n{text}"
        return ({"role": "user", "content": asked},)
    return (
        {"role": "assistant", "content": text},
        {"role": "user", "content": f"Your last reply was cut off. {GO_ON}"},
    )


GO_ON = (
    "Go on with it exactly where it stops: begin with the very next character, repeat nothing of it and "
    "say nothing about this."
)
"""What a model is asked whose reply broke off."""


def about_change() -> Invalid:
    """A reply whose end makes another value of it than was shown."""
    return Invalid(
        (),
        fingerprint="change",
        what="the end of the reply changes what came before it",
        because="schema",
    )


def about_rule(stop: Stop, text: str) -> Invalid:
    """A reply that a `reask` rule found something in."""
    return _about_findings(stop, "- ", "the reply", _hidden(text, stop.findings), "Reply again without that.")


def about_field(path: str, stop: Stop) -> Invalid:
    """A typed reply in one field of which a `reask` rule found something."""
    end = "Reply again with the corrected JSON and nothing else."
    return _about_findings(stop, f"{path}: ", path, WITHHELD, end)


def _about_findings(stop: Stop, lead: str, where: str, echo: str, end: str) -> Invalid:
    said = dict.fromkeys(f"{lead}it {finding.message}" for finding in stop.findings)
    reasons = "\n".join(said) or f"{lead}it could not be checked"
    return Invalid(
        _turn(echo, f"Your last reply was not accepted:\n{reasons}\n{end}"),
        fingerprint=f"{stop.rule.told}\0{reasons}",
        what=f"{stop.rule.told} found something in {where}",
        because="rule",
        kind="blocked",
    )


def _hidden(text: str, findings: Sequence[Finding]) -> str:
    return masked(text, findings) if findings else WITHHELD


def _turn(echo: str, asked: str) -> tuple[Any, ...]:
    if len(echo) > ECHO_CHARS:
        echo = echo[:ECHO_CHARS]
    return ({"role": "assistant", "content": echo or WITHHELD}, {"role": "user", "content": asked})
