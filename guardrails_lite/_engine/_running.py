"""Run one validator over one text, in this thread or on the event loop, within the time it may take.

What came of it is told as it is: findings, an error, a time-out. What that means is the rule's to say.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guardrails_lite._threads import in_thread, result_within
from guardrails_lite.reliability._deadline import time_limit
from guardrails_lite.reliability._metering import Spent, metered

if TYPE_CHECKING:
    from guardrails_lite._messages import Call
    from guardrails_lite._rules import Rule
    from guardrails_lite._validators import Finding, Validator


@dataclass(slots=True)
class Checked:
    """What one validator saw in one text, or how it failed."""

    findings: Sequence[Finding]
    duration_ns: int
    error: BaseException | None = field(default=None, repr=False)
    timed_out: bool = False
    spent: Sequence[Spent] = ()
    """What it reported to have used."""


def check(rule: Rule, text: str, call: Call, left_s: float = math.inf) -> Checked:
    """Run one validator over one text, in this thread."""
    validator = rule.validator
    began = time.perf_counter_ns()
    bill = metered()
    try:
        with time_limit(rule.timeout_s), bill:
            if rule.timeout_s is None:
                findings = _find(validator, text, call)
            else:
                limit_s = min(rule.timeout_s, max(left_s, 0.0))
                findings = result_within(lambda: _find(validator, text, call), limit_s)
    except Exception as error:
        spent = time.perf_counter_ns() - began
        return Checked((), spent, error, isinstance(error, TimeoutError), (*bill.spent,))
    return Checked(findings, time.perf_counter_ns() - began, spent=(*bill.spent,))


async def acheck(rule: Rule, text: str, call: Call, left_s: float) -> Checked:
    """`check` without blocking the event loop."""
    validator = rule.validator
    limit_s = sooner(rule.timeout_s, left_s)
    began = time.perf_counter_ns()
    bill = metered()
    try:
        with time_limit(rule.timeout_s), bill:
            async with asyncio.timeout(limit_s):
                if validator.kind == "async":
                    findings = await _afind(validator, text, call)
                elif validator.kind == "blocking" or rule.timeout_s:
                    findings = await in_thread(_find, validator, text, call)
                else:
                    findings = _find(validator, text, call)
    except Exception as error:
        spent = time.perf_counter_ns() - began
        return Checked((), spent, error, isinstance(error, TimeoutError), (*bill.spent,))
    return Checked(findings, time.perf_counter_ns() - began, spent=(*bill.spent,))


def sooner(timeout_s: float | None, left_s: float) -> float | None:
    """The limit that is reached first; None: there is none."""
    limit_s = min(math.inf if timeout_s is None else timeout_s, left_s)
    return None if limit_s == math.inf else limit_s


def _find(validator: Validator, text: str, call: Call) -> Sequence[Finding]:
    found = validator.find(text, call) if validator.wants_call else validator.find(text)
    return found if type(found) is list or type(found) is tuple else listed(found, validator)


class NotFindingsError(TypeError):
    """A validator returned no list of findings; says what, which is a type and never a text."""


def listed(found: Any, validator: Validator) -> Sequence[Finding]:
    """What a validator yields, as a list.

    Raises:
        TypeError: it is nothing of the kind.
    """
    if inspect.isawaitable(found) or hasattr(found, "__aiter__"):
        if inspect.iscoroutine(found):
            found.close()  # Python warns of one that nobody awaits
        raise TypeError(f"validator {validator.name!r} returned something to await; make it `async def`")
    return _as_list(found)


def _as_list(found: Any) -> list[Finding]:
    if not hasattr(found, "__iter__"):
        raise NotFindingsError(f"{'None' if found is None else type(found).__name__} instead of findings")
    return list(found)


async def _afind(validator: Validator, text: str, call: Call) -> Sequence[Finding]:
    found: Any = validator.find(text, call) if validator.wants_call else validator.find(text)
    if hasattr(found, "__aiter__"):
        return [finding async for finding in found]
    return _as_list(await found)
