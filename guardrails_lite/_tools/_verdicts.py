"""What is said about each tool call of a reply, to the engine and to the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from guardrails_lite._messages import Choice, RefusedCall, ToolCall
from guardrails_lite._tools._history import REFUSED
from guardrails_lite._tools._tool import NAME

if TYPE_CHECKING:
    from guardrails_lite.schemas.problems import Edit, Problem

ToolReason = Literal[
    "unknown name",
    "not offered",
    "excluded by tool_choice",
    "parallel not allowed",
    "no id",
    "duplicate id",
    "identical repeat",
    "not JSON",
    "not an object",
    "missing",
    "undeclared",
    "wrong type",
    "out of range",
    "too large",
    "over its limit",
    "out of order",
    "tainted",
    "needs approval",
    "denied",
]
"""Why a tool call was refused: exactly one of these."""

TOOL_REASONS: frozenset[str] = frozenset(get_args(ToolReason))

_FINAL: frozenset[str] = frozenset({"tainted", "needs approval", "denied"})

# Of several problems with the arguments the first of these names the verdict.
_OF_CODES: Sequence[tuple[ToolReason, frozenset[str]]] = (
    ("too large", frozenset({"too large", "too deep"})),
    (
        "not JSON",
        frozenset(
            {"not json", "no json", "several values", "cut off", "duplicate key", "not finite"}
            | {"lone surrogate", "lossy repair"}
        ),
    ),
    ("missing", frozenset({"missing"})),
    ("undeclared", frozenset({"undeclared"})),
    ("wrong type", frozenset({"wrong type", "no branch"})),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check of one tool call says."""

    call: ToolCall
    """The call; once it has passed with its repaired arguments, its value and its tool."""
    reason: ToolReason | None = None
    """Why it is refused; None when it is not."""
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    """Where and what was expected, for the model."""
    edits: tuple[Edit, ...] = ()
    """What was changed so that the arguments could be read."""
    needs_approval: bool = False
    """It passed so far, and `Tool.approve` must say yes before it is let through."""
    near: str | None = None
    """The offered name that an unknown name was probably meant to be."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it; it may still need approval."""
        return self.reason is None

    @property
    def is_final(self) -> bool:
        """Whether asking the model again is useless: somebody said no."""
        return self.reason in _FINAL

    def refused(self, reason: ToolReason, expectation: str) -> Verdict:
        """The same call, refused: what the engine makes of an approval that did not come."""
        from guardrails_lite.schemas.problems import Problem

        call = replace(self.call, value=None, tool=None)
        problem = Problem("$", expectation, "not allowed")
        return replace(self, call=call, reason=reason, problems=(problem,), needs_approval=False)


def reason_of(problems: Sequence[Problem]) -> ToolReason:
    """The one word for what is wrong with arguments."""
    if any(problem.path == "$" and problem.code == "wrong type" for problem in problems):
        return "not an object"
    codes = {problem.code for problem in problems}
    return next((reason for reason, of in _OF_CODES if codes & of), "out of range")


_NOT_RUN = "Not run: another tool call of this turn was refused."
_MOST_TOLD = 16


def feedback_messages(
    choice: Choice, verdicts: Sequence[Verdict], *, limit_bytes: int = 2000
) -> list[dict[str, Any]]:
    """The turn of *choice* as the provider accepts it: the assistant's calls, and an answer to each.

    Arguments that are no JSON object are sent back as ``{}``, names that the provider would refuse are
    replaced, the ids say that none of the calls was let through, and what was wrong is told as
    ``path: expectation``, never with a value. Of many calls the refused ones are told first, and at most 16
    in all, so the size is bounded.

    Args:
        choice: What the model answered.
        verdicts: One for each of its tool calls, in order.
        limit_bytes: The most bytes that the explanations together take, and the echoed arguments too.
    """
    told = _told(verdicts)
    ids = _ids(told)
    share = limit_bytes // max(sum(not verdict.ok for verdict in told), 1)
    calls = [
        _echo(verdict.call, identity, limit_bytes // len(told))
        for verdict, identity in zip(told, ids, strict=True)
    ]
    answers = [
        {"role": "tool", "tool_call_id": identity, "content": _explained(verdict, share)}
        for verdict, identity in zip(told, ids, strict=True)
    ]
    return [{"role": "assistant", "content": choice.text or None, "tool_calls": calls}, *answers]


def refused_calls(verdicts: Sequence[Verdict], *, limit_bytes: int = 2000) -> tuple[RefusedCall, ...]:
    """The refused calls of a turn of which others are let through: at most 16, told in *limit_bytes*."""
    refused = _told([verdict for verdict in verdicts if not verdict.ok])
    share = limit_bytes // max(len(refused), 1)
    return tuple(
        RefusedCall(
            identity,
            verdict.call.name if verdict.reason != "unknown name" else "unknown",
            verdict.reason or "denied",
            _explained(verdict, share),
            verdict.call.kind,
        )
        for verdict, identity in zip(refused, _ids(refused), strict=True)
    )


def _told(verdicts: Sequence[Verdict]) -> list[Verdict]:
    if len(verdicts) <= _MOST_TOLD:
        return list(verdicts)
    first = sorted(range(len(verdicts)), key=lambda nth: (verdicts[nth].ok, nth))[:_MOST_TOLD]
    return [verdicts[nth] for nth in sorted(first)]


def _ids(verdicts: Sequence[Verdict]) -> list[str]:
    """Ids for calls that were not let through: results are linked by them, so each is another."""
    return [
        f"{REFUSED}{nth}" + (f"_{verdict.call.id}" if _ID.fullmatch(verdict.call.id) else "")
        for nth, verdict in enumerate(verdicts)
    ]


_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def _echo(call: ToolCall, identity: str, limit_bytes: int) -> dict[str, Any]:
    name = (
        call.name
        if NAME.fullmatch(call.name)
        else re.sub(r"[^A-Za-z0-9_-]", "_", call.name[:64]) or "unknown"
    )
    fits = len(call.arguments.encode("utf-8", "replace")) <= limit_bytes
    if call.kind == "custom":
        return {
            "id": identity,
            "type": "custom",
            "custom": {"name": name, "input": call.arguments if fits else ""},
        }
    arguments = call.arguments if fits and _is_object(call.arguments) else "{}"
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def _is_object(text: str) -> bool:
    from guardrails_lite.schemas.reading import is_json

    return text.lstrip(" \t\r\n").startswith("{") and is_json(text)


def _explained(verdict: Verdict, limit_bytes: int) -> str:
    from guardrails_lite._schema import feedback

    if verdict.ok:
        return _NOT_RUN
    head = f"Refused: {verdict.reason}."
    return f"{head}\n{feedback(verdict.problems, limit_bytes=max(limit_bytes - len(head) - 1, 0))}".rstrip()
