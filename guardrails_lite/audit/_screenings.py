"""What the record of a call tells of its screenings: what the rules made of the request and of each reply.

The entry may come from a log that somebody else made, so nothing in it is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
Way = Literal["asked", "re-asked", "fell back"]
"""What follows from a screening: the request is sent, or another reply is asked for."""

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
    then: Way | None = None
    """What followed; None: nothing, it was the last reply, or a request that was kept from every model."""
    fell_to: object = None
    """The name of the fallback that was gone to; None where none was."""
    reasks: int = 0
    """How many times the model had been asked again before."""
    fallbacks: int = 0
    """How many fallbacks had been gone to before."""
    same_again: bool = False
    """It was not asked again because it failed as the reply before had."""

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
        """Whether a rule stopped it, so that what comes after the first finding was not seen.

        What keeps a request from the primary only does not: a fallback sees all of it.
        """
        passing = {"redact", "fall_back"} if self.side == "input" else {"redact"}
        return any(action not in passing for action in self.acts.values())

    @property
    def cut(self) -> bool:
        """Whether it was stopped before all of it had come."""
        return self.in_pieces and self.stopped

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
    originals: Texts = ()
    if not isinstance(opened, str) and opened.originals is not None:
        originals = came_to_rules(opened.originals, data)
    kept: dict[str, Texts | Why] = {"input": texts, "output": texts}
    if not isinstance(texts, str):
        for side in kept:
            kept[side] = tuple(text for text in texts if text.side == side) or "no text"
    checks = _listed(data, "checks")
    of_input = _of_request([check for check in checks if check.get("side") == "input"])
    of_replies = [check for check in checks if check.get("side") == "output"]
    of_output = _by_reply(data, of_replies)
    found = []
    if of_input or data.get("style") != "check":  # a text that was checked by itself is of one side
        asked = [each for each in originals if each.side == "input"]
        left = _looked_at(kept["input"])
        request = Screening("input", of_input, left, in_full=True, said=looked_at(asked) or None)
        fell_to = _fell_to(_noted(data, 0))
        found.append(replace(request, then=_after_request(request, data), fell_to=fell_to))
    in_pieces = "stream" in str(data.get("style")) and not any(map(_holds, of_replies))
    is_composed = _is_composed(data)
    last = max(of_output, default=0)
    for attempt, of_attempt in of_output.items():
        said = () if is_composed else _said_in(originals, attempt, last=attempt == last)
        answer = kept["output"] if attempt == last else "no text"
        held = said or (() if isinstance(answer, str) else answer)
        reply = Screening(
            "output",
            tuple(of_attempt),
            _looked_at(answer),
            in_full=True,
            said=looked_at(said) or None,
            in_pieces=in_pieces,
        )
        reply = replace(reply, in_full=_in_full(reply, held, data, attempt))
        found.append(_with_way(reply, data, attempt))
    return found


def _by_reply(
    data: Mapping[str, Any], checks: Iterable[Mapping[str, Any]]
) -> dict[int, list[Mapping[str, Any]]]:
    """The *checks* of output rules by the attempt whose reply they are of, and the reply that nobody checked.

    What was resumed is one reply, that of the last attempt at it. What broke off and was begun anew is none.
    """
    fates = {_number(each, "number"): each.get("result") for each in _listed(data, "attempts")}
    resumed = {_number(note) for note in _listed(data, "notes") if note.get("what") == "resume"}
    found: dict[int, list[Mapping[str, Any]]] = {}
    for check in checks:
        attempt = _number(check)
        while attempt in resumed:
            attempt += 1
        if fates.get(attempt, "answered") == "answered" or attempt == max(fates):
            found.setdefault(attempt, []).append(check)
    if data.get("error") is None and data.get("style") != "check":
        answered = (number for number, fate in fates.items() if fate == "answered")
        found.setdefault(max((*found, *answered, 0)), [])
    return dict(sorted(found.items()))


def _after_request(request: Screening, data: Mapping[str, Any]) -> Way | None:
    """What became of a request. Checked by itself it became nothing, and passes for one that was sent."""
    fell_back = "fall_back" in request.acts.values()
    if data.get("style") != "check":
        nobody_left = data.get("outcome") == "blocked" and not _listed(data, "attempts")
        if request.stopped or (fell_back and nobody_left):
            return None
    return "fell back" if fell_back else "asked"


def _with_way(reply: Screening, data: Mapping[str, Any], attempt: int) -> Screening:
    """The *reply* with how it was come to, and what followed."""
    noted = _noted(data, attempt)
    words = {what for what, _ in noted}
    then: Way | None = None
    if "re-ask" in words or (data.get("style") == "check" and "reask" in reply.acts.values()):
        then = "re-asked"
    elif "fallback" in words or (data.get("style") == "check" and "fall_back" in reply.acts.values()):
        later = any(_number(each, "number") > attempt for each in _listed(data, "attempts"))
        then = "fell back" if later or data.get("outcome") != "blocked" else None
    before = [note.get("what") for note in _listed(data, "notes") if _number(note) < attempt]
    return replace(
        reply,
        then=then,
        fell_to=_fell_to(noted),
        reasks=before.count("re-ask"),
        fallbacks=before.count("fallback"),
        same_again=("no re-ask", "the same failure again") in noted,
    )


def _noted(data: Mapping[str, Any], attempt: int) -> list[tuple[object, object]]:
    """What was noted after an attempt, with its details."""
    return [
        (note.get("what"), note.get("detail")) for note in _listed(data, "notes") if _number(note) == attempt
    ]


def _fell_to(noted: Iterable[tuple[object, object]]) -> object:
    return next((detail for what, detail in noted if what == "fallback"), None)


def _holds(check: Mapping[str, Any]) -> bool:
    """Whether a rule like that of the *check* keeps a stream back until all of it has come."""
    rule = str(check.get("rule"))
    return rule.startswith(("reask(", "fall_back(")) and "mode='monitor'" not in rule


def _looked_at(texts: Texts | Why) -> LookedAt | Why:
    return texts if isinstance(texts, str) else looked_at(texts)


def _is_composed(data: Mapping[str, Any]) -> bool:
    """Whether rules of a side saw another reply than the model's: put together, or masked in its fields."""
    return any(note.get("what") == "merged parts" for note in _listed(data, "notes")) or any(
        check.get("side") == "field" and check.get("action") == "redact" for check in _listed(data, "checks")
    )


def _of_request(checks: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
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


def _listed(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = data.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _number(told: Mapping[str, Any], name: str = "attempt") -> int:
    found = told.get(name)
    return found if isinstance(found, int) else 0
