"""The account of one guarded call: what was checked, tried and decided, and how it ended.

A record contains no text of a prompt, a reply or an argument. Findings are constants, errors are class names,
and people are pseudonyms wherever a record leaves the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from guardrails_lite._errors import OutcomeName
from guardrails_lite._messages import Usage
from guardrails_lite._who import PERSONAL, pseudonym_of

CheckResult = Literal["passed", "found", "broken", "timed out", "not run", "skipped"]
Style = Literal["sync", "async", "stream", "async stream", "check"]


class FindingCount(NamedTuple):
    """How often one kind of finding came up."""

    message: str
    category: str | None
    score: float | None
    """The highest score among them."""
    times: int


class CheckStep(NamedTuple):
    """One rule, over all the texts of one side in one attempt."""

    rule: str
    """`Rule.told`: as it prints, with private texts counted: ``block(keywords(words=3))``."""
    side: Literal["input", "output", "field"]
    attempt: int
    """0 for the input, then the number of the attempt whose reply was checked."""
    result: CheckResult
    action: str | None
    """What the rule did: ``block``, ``redact``, …, ``open`` (broke and let pass), None (nothing)."""
    findings: tuple[FindingCount, ...]
    texts: int
    """How many texts it looked at."""
    known: int
    """How many more it skipped, having passed them before."""
    duration_us: float
    error: str | None
    """The class of the error that broke it."""
    usage: Usage | None = None
    """Tokens that it reported to have used (`report_usage`); None: it reported none."""
    cost_usd: float | None = None
    """What they cost; None where it reported none, or their price is unknown."""


class AttemptStep(NamedTuple):
    """One send to one target, and its fate."""

    target: str
    model: str | None
    number: int
    result: str
    """``answered``, or the kind of failure: ``rate limited``, ``malformed reply``, …, ``turned away``"""
    error: str | None
    status: int | None
    duration_us: float
    waited_s: float
    """How long the call slept before this attempt, and waited for its turn."""
    usage: Usage | None
    cost_usd: float | None
    blame: str | None = None
    ended_at_chars: int | None = None
    """How many characters of a stream had come when it was ended, because nothing that followed could have
    made an acceptable reply of it; None where it was read to its end. What was not read was not paid for."""
    shown: tuple[int, int] | None = None
    """Which characters the consumer of a stream was given of it: from where to where in the reply as it was
    given out, which begins again after a retraction. None: none."""


class ToolStep(NamedTuple):
    """The verdict on one tool call."""

    name: str | None
    """None where the model named a tool that does not exist: its words stay out of the record."""
    attempt: int
    verdict: str
    """``passed``, or the reason it was refused."""
    repaired: int
    """How many repairs its arguments needed."""


class NoteStep(NamedTuple):
    """Anything else that a reviewer should see: a re-ask, a fallback, a repair, a degraded check."""

    what: str
    detail: str | None = None
    attempt: int = 0


Step = CheckStep | AttemptStep | ToolStep | NoteStep
Part = Literal["text", "reasoning", "refusal", "tool call"]


class KeptText(NamedTuple):
    """One text of a call, for logs that keep texts. Its `repr` shows neither the text nor a name."""

    side: str
    """``"input"`` or ``"output"``."""
    role: str
    """Who said it, as in the request; for a reply, the assistant."""
    text: str
    """The text; for a tool call, its arguments."""
    attempt: int | None = None
    """For an original: 0 for the input, or the number of the attempt it came from. None: not known."""
    part: Part = "text"
    """Which part of a reply it is. All texts of a request are ``"text"``, even tool calls and results."""
    name: str | None = None
    """For a tool call: which tool. None if only the model says so, and no rule has seen the name."""
    id: str | None = None
    """For a tool call: its id, as the model's server gave it. None if output rules did not see it."""

    def __repr__(self) -> str:
        return f"KeptText({self.side!r}, {self.role!r}, {self.part!r}, {len(self.text)} characters)"


class Told(Protocol):
    """What can still be told as steps."""

    def steps(self) -> Sequence[Step]:
        """The steps."""


@dataclass(slots=True)
class Intent:
    """Written before the provider is contacted, so that a crash leaves a trace."""

    id: str
    guard: str | None
    digest: str
    mode: str
    style: Style
    model: str | None
    started: float
    who: Mapping[str, str] = field(default_factory=dict, repr=False)
    input_chars: int = 0

    def to_dict(self, *, pseudonym: Callable[[str, str], str] | None = None) -> dict[str, Any]:
        """As JSON-compatible data; *pseudonym* names people (see `Record.to_dict`)."""
        return {
            "id": self.id,
            "guard": self.guard,
            "digest": self.digest,
            "mode": self.mode,
            "style": self.style,
            "model": self.model,
            "started": self.started,
            "who": _who(self.who, pseudonym),
            "input_chars": self.input_chars,
        }


class _Account(NamedTuple):
    # What a `Record` holds: apart from it, because a named tuple's own class cannot override a field.
    id: str
    """32 hexadecimal digits: the call's name in every log."""
    guard: str | None
    """`Guard.name`."""
    digest: str
    """`Guard.digest`: which policy was in force."""
    mode: str
    style: Style
    model: str | None
    """The model that was first requested."""
    started: float
    """Seconds since the epoch."""
    duration_us: float
    """Microseconds from the call of the guard to its end, including sends and sleeps."""
    outcome: OutcomeName
    error: str | None
    """The class of the exception that the caller got; None if the caller got a value."""
    steps: Sequence[Step | Told]
    usage: Usage | None
    """Tokens of all attempts together."""
    cost_usd: float | None
    """US dollars of all attempts together; None if a price is unknown."""
    input_chars: int
    output_chars: int
    """Characters of the reply that the caller got."""
    unscreened: tuple[str, ...]
    """Kinds of message parts that hold no text and so were not checked, such as ``image_url``."""
    who: Mapping[str, str] = {}  # never changed
    """Who called, according to `bound` and the application's tracing."""
    texts: tuple[KeptText, ...] = ()
    """The texts that were let through, as the rules left them; empty unless a sink asks for captured text."""


class Record(_Account):
    """The account of one guarded call."""

    __slots__ = ()

    def __repr__(self) -> str:
        named = f"{self.guard!r}, " if self.guard else ""
        return f"Record({named}{self.outcome!r}, id={self.id!r}, {len(self.steps)} steps)"

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happened, in order. Computed when it is read, because most records are never read."""
        told: Any = self[_STEPS]
        steps: list[Any] = []
        for step in told:
            if isinstance(step, tuple):
                steps.append(step)
            else:
                steps += step.steps()
        return tuple(steps)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self[:_STEPS], self.steps, *self[_STEPS + 1 :])  # copied and pickled as told

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.__getnewargs__() == other.__getnewargs__()

    def __ne__(self, other: object) -> bool:  # a tuple has its own
        return not self == other

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def checks(self) -> tuple[CheckStep, ...]:
        """Every check, whether it ran or not."""
        return tuple(step for step in self.steps if isinstance(step, CheckStep))

    @property
    def attempts(self) -> tuple[AttemptStep, ...]:
        """Every send."""
        return tuple(step for step in self.steps if isinstance(step, AttemptStep))

    @property
    def tools(self) -> tuple[ToolStep, ...]:
        """Every tool call's verdict."""
        return tuple(step for step in self.steps if isinstance(step, ToolStep))

    @property
    def notes(self) -> tuple[NoteStep, ...]:
        """Re-asks, fallbacks, repairs and the like."""
        return tuple(step for step in self.steps if isinstance(step, NoteStep))

    @property
    def checks_usage(self) -> Usage | None:
        """Tokens that the checks reported, which are not included in `usage`; None if none did."""
        return _bill(self.checks)[0]

    @property
    def checks_cost_usd(self) -> float | None:
        """US dollars that the checks reported, not included in `cost_usd`; None if a price is unknown."""
        return _bill(self.checks)[1]

    def to_dict(self, *, pseudonym: Callable[[str, str], str] | None = None) -> dict[str, Any]:
        """As JSON-compatible data.

        Args:
            pseudonym: Called with the field (``"user"``) and its value; returns the person's pseudonym.
                Default: a digest with a key of this process only, so that records of one run can be
                joined but nobody is named.
        """
        checked: list[CheckStep] = []
        checks: list[dict[str, Any]] = []
        attempts: list[dict[str, Any]] = []
        tools: list[dict[str, Any]] = []
        notes: list[dict[str, Any]] = []
        for step in self.steps:
            if isinstance(step, CheckStep):
                checked.append(step)
                checks.append(_check_dict(step))
            elif isinstance(step, AttemptStep):
                attempts.append(_attempt_dict(step))
            elif isinstance(step, ToolStep):
                tools.append(step._asdict())
            else:
                notes.append(step._asdict())
        checks_usage, checks_cost_usd = _bill(checked)
        return {
            "id": self.id,
            "guard": self.guard,
            "digest": self.digest,
            "mode": self.mode,
            "style": self.style,
            "model": self.model,
            "started": self.started,
            "duration_us": _tenths(self.duration_us),
            "outcome": self.outcome,
            "error": self.error,
            "checks": checks,
            "attempts": attempts,
            "tools": tools,
            "notes": notes,
            "usage": usage_dict(self.usage),
            "cost_usd": self.cost_usd,
            "checks_usage": usage_dict(checks_usage),
            "checks_cost_usd": checks_cost_usd,
            "input_chars": self.input_chars,
            "output_chars": self.output_chars,
            "unscreened": list(self.unscreened),
            "who": _who(self.who, pseudonym),
        }


_STEPS = _Account._fields.index("steps")


def _check_dict(step: CheckStep) -> dict[str, Any]:
    rule, side, attempt, result, action, findings, texts, known, duration_us, error, usage, cost_usd = step
    return {
        "rule": rule,
        "side": side,
        "attempt": attempt,
        "result": result,
        "action": action,
        "findings": [finding._asdict() for finding in findings] if findings else [],
        "texts": texts,
        "known": known,
        "duration_us": _tenths(duration_us),
        "error": error,
        "usage": usage_dict(usage),
        "cost_usd": cost_usd,
    }


def _bill(checks: Sequence[CheckStep]) -> tuple[Usage | None, float | None]:
    """What the checks used, in all; the money is None where a price is unknown."""
    usage: Usage | None = None
    cost_usd: float | None = 0.0
    for check in checks:
        if check.usage is not None:
            usage = check.usage if usage is None else usage + check.usage
            unknown = cost_usd is None or check.cost_usd is None
            cost_usd = None if unknown else cost_usd + check.cost_usd  # type: ignore[operator]
    return usage, cost_usd


def _attempt_dict(step: AttemptStep) -> dict[str, Any]:
    target, model, number, result, error, status, duration_us, waited_s, usage, cost_usd = step[:10]
    blame, ended_at_chars, shown = step[10:]
    return {
        "target": target,
        "model": model,
        "number": number,
        "result": result,
        "error": error,
        "status": status,
        "duration_us": _tenths(duration_us),
        "waited_s": waited_s,
        "usage": usage_dict(usage),
        "cost_usd": cost_usd,
        "blame": blame,
        "ended_at_chars": ended_at_chars,
        "shown": shown if shown is None else list(shown),
    }


def _tenths(duration_us: float) -> float:
    """A duration to one digit. `round` looks for the digits of a float, which takes most of a microsecond."""
    return int(duration_us * 10 + 0.5) / 10 if 0 <= duration_us < 1e12 else round(duration_us, 1)


def usage_dict(usage: Usage | None) -> dict[str, Any] | None:
    """Tokens as JSON-compatible data."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "total_tokens": usage.total_tokens,
        "estimated": usage.estimated,
    }


def _who(who: Mapping[str, str], pseudonym: Callable[[str, str], str] | None) -> dict[str, str]:
    if not who:
        return {}
    name = pseudonym or pseudonym_of
    return {key: name(key, value) if key in PERSONAL else value for key, value in who.items()}
