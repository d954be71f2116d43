"""Hours beside the week before them, held against a sum over all calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails_lite.audit.alerts._facts import Fact
from guardrails_lite.audit.alerts._hours import BASELINE_H, OF, hours
from guardrails_lite.audit.index import Index
from tests.alerts.facts import HOUR, NOW, log_calls

FIRST = NOW // HOUR


class Made(NamedTuple):
    """A call: in which hour of our story, by whom, how it ended, what it cost."""

    hour: int
    user: str
    blocked: bool
    cost_usd: float | None


CALLS = st.lists(
    st.builds(
        Made,
        st.integers(0, 400) | st.sampled_from((0, 1, BASELINE_H, BASELINE_H + 1)),
        st.sampled_from(("u-1", "u-2")),
        st.booleans(),
        st.sampled_from((None, 0.25, 2.0)),
    ),
    min_size=1,
    max_size=12,
)


def wanted(calls: Sequence[Made], hour: int) -> dict[str, Any] | None:
    """What the fact of an hour tells of *calls*, which all have something in common."""
    now = [call for call in calls if call.hour == hour]
    before = [call for call in calls if hour - BASELINE_H <= call.hour < hour]
    if not now:
        return None
    since = hour - min((call.hour for call in before), default=hour)
    told: dict[str, Any] = {
        "hours_before": since,
        "calls": len(now),
        "blocked": sum(call.blocked for call in now),
    }
    for name, of_now, of_before in (
        ("calls", len(now), len(before) / since if since else 0.0),
        ("cost", _cost(now), _cost(before) / since if since else 0.0),
        ("block", _rate(now), _rate(before)),
    ):
        told[f"{name}_ratio"] = of_now / of_before if of_before else math.inf if of_now else 1.0
    for name, amount in (("calls", len), ("cost", _cost)):
        each = [amount([call for call in before if call.hour == at]) for at in range(hour - since, hour)]
        told[f"{name}_z"] = _z(amount(now), each)
        highest = max(each, default=0)
        told[f"{name}_peak_ratio"] = amount(now) / highest if highest else math.inf if amount(now) else 1.0
    return told


def _z(now: float, before: Sequence[float]) -> float:
    if not before:
        return 0.0
    apart = [abs(value - median(before)) for value in before]
    spread = 1.4826 * median(apart) or sum(apart) / len(apart) * 1.2533
    above = now - median(before)
    return above / spread if spread else math.copysign(math.inf, above) if above else 0.0


def _cost(calls: Sequence[Made]) -> float:
    return sum(call.cost_usd or 0.0 for call in calls)


def _rate(calls: Sequence[Made]) -> float:
    return sum(call.blocked for call in calls) / len(calls) if calls else 0.0


def found(calls: Sequence[Made], asked: Sequence[int], root: Path) -> list[Fact]:
    """The facts of the hours *asked* of a log of *calls*."""
    told: list[dict[str, Any]] = []
    for number, call in enumerate(calls):
        outcome = {"outcome": "blocked"} if call.blocked else {}
        who = {"user": call.user}
        at = call.hour * HOUR + 7
        told.append({"number": number, "at": at, "cost_usd": call.cost_usd, "who": who, **outcome})
    log_calls(root, told)
    with Index(root) as index:
        index.update()
        return list(hours(index, [FIRST + hour for hour in asked], of=OF, now_ns=0))


@settings(max_examples=30)
@given(calls=CALLS, others=st.lists(st.integers(0, 600), max_size=6))
@example(calls=[Made(0, "u-1", True, 2.0), Made(168, "u-1", False, 0.25)], others=[])
@example(calls=[Made(0, "u-1", True, 2.0), Made(169, "u-1", False, 0.25)], others=[])
@example(calls=[Made(at, "u-2", False, 0.25) for at in (0, 100, 200, 300, 400)], others=[1, 599])
def test_many_hours_at_once_tell_what_each_would_by_itself(calls: list[Made], others: list[int]) -> None:
    """Of the log and of each user, in the order of the hours: weeks before them, gaps, hours of nothing."""
    asked = sorted({call.hour for call in calls} | set(others))
    with TemporaryDirectory() as place:
        facts = found(calls, asked, Path(place) / "log")
    assert [fact.at for fact in facts] == sorted(fact.at for fact in facts)
    of_log = {fact.at // (HOUR * 10**9): fact for fact in facts if fact.fields["of"] == "log"}
    users = [fact for fact in facts if fact.fields["of"] == "user"]
    assert len(of_log) + len(users) == len([fact for fact in facts if fact.fields["of"] in ("log", "user")])
    for hour in asked:
        expected = wanted(calls, hour)
        fact = of_log.pop(FIRST + hour, None)
        assert (fact is None) == (expected is None)
        if fact is not None and expected is not None:
            assert _of(fact, expected) == expected
        by_user = []
        for user in ("u-1", "u-2"):
            of_one = wanted([call for call in calls if call.user == user], hour)
            by_user += [of_one] if of_one is not None else []
        here = [fact for fact in users if fact.at == (FIRST + hour) * HOUR * 10**9]
        assert sorted(map(str, by_user)) == sorted(str(_of(fact, by_user[0])) for fact in here)
    assert not of_log


def _of(fact: Fact, expected: dict[str, Any]) -> dict[str, Any]:
    return {name: fact.fields[name] for name in expected}
