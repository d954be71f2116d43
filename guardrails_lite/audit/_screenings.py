"""What the record of a call tells of its screenings: what the rules made of the request and of each reply.

The entry may come from a log that somebody else made, so nothing in it is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from guardrails_lite._rules import finder_of
from guardrails_lite.audit._looked_at import LookedAt, came_to_rules, looked_at, tools_by_attempt
from guardrails_lite.audit._opening import Opened, Why
from guardrails_lite.audit._replay import ACTING

if TYPE_CHECKING:
    from guardrails_lite._record import KeptText
    from guardrails_lite._rules import Rule
    from guardrails_lite.audit._content import Texts
    from guardrails_lite.audit._format import Entry

SideName = Literal["input", "output"]

SIDES: Final[tuple[SideName, ...]] = ("input", "output")


@dataclass(frozen=True, slots=True)
class Screening:
    """What the rules of one side did with the texts of a request, or of one reply."""

    side: SideName
    checks: tuple[Mapping[str, Any], ...]
    """As recorded, in order."""
    texts: LookedAt | Why
    """As the rules left them; or why they are not at hand."""
    in_full: bool
    """All that rules of this side would look at is among the texts, or among what was said."""
    said: LookedAt | None = None
    """Before any rule; None where it is not at hand."""
    in_pieces: bool = False
    """Rules saw it as it came in: where one stopped it, no rule saw the rest."""

    @property
    def acts(self) -> dict[str, str]:
        """What each rule that acted did."""
        return {
            f"{self.side} {check.get('rule')}": str(check["action"])
            for check in self.checks
            if check.get("action") in ACTING
        }

    @property
    def stopped(self) -> bool:
        """Whether a rule stopped it, so that what comes after the first finding was not seen."""
        return any(action != "redact" for action in self.acts.values())

    @property
    def never_sent(self) -> bool:
        """Whether it is a request that a rule kept from every model."""
        return self.side == "input" and bool({"block", "reask"} & set(self.acts.values()))

    @property
    def maskers(self) -> frozenset[str]:
        """The validators whose findings were masked."""
        return frozenset(
            finder_of(str(check.get("rule"))) for check in self.checks if check.get("action") == "redact"
        )

    def found(self, rule: Rule, masked: set[str]) -> bool | None:
        """Whether the validator of *rule* found something in the texts, once *masked* had masked them.

        None where the record does not tell: it did not run, it broke, or it saw other texts. Where a rule
        stopped them, that is told of the texts up to the one that was stopped.
        """
        before: set[str] = set()
        name = finder_of(rule.told)
        saw_all = self._saw_all
        for place, check in enumerate(self.checks):
            finder = finder_of(str(check.get("rule")))
            if finder == name and before == masked:
                result = check.get("result")
                if result == "passed":
                    return False if place < saw_all else None
                return True if result == "found" else None
            if check.get("action") == "redact":
                before.add(finder)
        return None

    @property
    def _saw_all(self) -> int:
        """How many rules, from the first on, saw every text up to the one that was stopped, and that one.

        A rule behind a group that stops (`_screen`) does not: it has passed only the texts before.
        """
        if not self.stopped:
            return len(self.checks)
        if self.in_pieces:
            return 0
        rewrites = [str(check.get("rule")).startswith("redact(") for check in self.checks]
        stops = [check.get("action") in ACTING and check.get("action") != "redact" for check in self.checks]
        stop = stops.index(True)
        behind = range(stop + 1, len(self.checks))
        return next((place for place in behind if rewrites[stop] or rewrites[place]), len(self.checks))


def screenings(entry: Entry, opened: Opened | Why) -> list[Screening]:
    """All of a call, in order: the request, and each reply that came to the rules."""
    texts = opened if isinstance(opened, str) else opened.kept
    data = entry.data
    originals: Texts | None = None
    if not isinstance(opened, str) and opened.originals is not None:
        originals = came_to_rules(opened.originals, data)
    checks = [each for each in _listed(data, "checks") if isinstance(each, dict)]
    kept: dict[str, Texts | Why] = {"input": texts, "output": texts}
    if not isinstance(texts, str):
        for side in kept:
            kept[side] = tuple(text for text in texts if text.side == side) or "no text"
    of_input = _of_request([check for check in checks if check.get("side") == "input"])
    of_output = [check for check in checks if check.get("side") == "output"]
    found = []
    if of_input or data.get("style") != "check":  # a text that was checked by itself is of one side
        asked = [each for each in originals or () if each.side == "input"]
        left = _looked_at(kept["input"])
        found.append(Screening("input", of_input, left, in_full=True, said=looked_at(asked) or None))
    attempts = {_number(check) for check in of_output}
    if any(each.never_sent for each in found):
        attempts.add(1)  # the reply that was never asked for
    elif data.get("error") is None and data.get("style") != "check":
        answered = (_number(each, "number") for each in _listed(data, "attempts") if _answered(each))
        attempts.add(max((*attempts, *answered, 0)))
    is_composed = _is_composed(data)
    for attempt in sorted(attempts):
        of_attempt = tuple(check for check in of_output if _number(check) == attempt)
        last = attempt == max(attempts)
        said = () if is_composed else _said_in(originals or (), attempt, last=last)
        answer = kept["output"] if last else "no text"
        held = said or (() if isinstance(answer, str) else answer)
        reply = Screening(
            "output",
            of_attempt,
            _looked_at(answer),
            in_full=True,
            said=looked_at(said) or None,
            in_pieces="stream" in str(data.get("style")),
        )
        found.append(replace(reply, in_full=_in_full(reply, held, data, attempt)))
    return found


def _looked_at(texts: Texts | Why) -> LookedAt | Why:
    return texts if isinstance(texts, str) else looked_at(texts)


def _is_composed(data: Mapping[str, Any]) -> bool:
    """Whether rules of a side saw another reply than the model's: put together, or masked in its fields."""
    notes = [each for each in _listed(data, "notes") if isinstance(each, dict)]
    checks = [each for each in _listed(data, "checks") if isinstance(each, dict)]
    return any(note.get("what") == "merged parts" for note in notes) or any(
        check.get("side") == "field" and check.get("action") == "redact" for check in checks
    )


def _of_request(checks: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Of all checks by input rules those of the request: what asks again goes by the same rules once more."""
    names = [check.get("rule") for check in checks]
    for rules in range(1, len(names)):
        if len(names) % rules == 0 and names == names[:rules] * (len(names) // rules):
            return tuple(checks[:rules])
    return tuple(checks)


def _said_in(originals: Iterable[KeptText], attempt: int, *, last: bool) -> Texts:
    """What the model said in an attempt; where that is not told, there was one reply, the last."""
    return tuple(
        each
        for each in originals
        if each.side == "output" and (each.attempt == attempt or (each.attempt is None and last))
    )


def _in_full(reply: Screening, held: Texts, data: Mapping[str, Any], attempt: int) -> bool:
    """Whether what is *held* of a reply is all that was checked: of an older log tool calls are not there.

    What was said is not what was checked where the arguments of a call had to be repaired.
    """
    texts = reply.said or reply.texts
    if isinstance(texts, str):
        return False
    steps = tools_by_attempt(data).get(attempt, [])
    checked = [step for step in steps if data.get("mode") == "monitor" or step.get("verdict") == "passed"]
    if len(checked) > sum(each.part == "tool call" for each in held):
        return False
    if reply.said and any(_number(step, "repaired") for step in checked):
        return False
    seen = max((_number(check, "texts") + _number(check, "known") for check in reply.checks), default=0)
    return seen <= len(texts)


def _listed(data: Mapping[str, Any], name: str) -> list[Any]:
    found = data.get(name)
    return found if isinstance(found, list) else []


def _number(told: Mapping[str, Any], name: str = "attempt") -> int:
    found = told.get(name)
    return found if isinstance(found, int) else 0


def _answered(attempt: object) -> bool:
    return isinstance(attempt, dict) and attempt.get("result") == "answered"
