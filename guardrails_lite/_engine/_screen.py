"""Act on what validators find: count it, mask it, or stop.

Rules run in their order. Neighbours that rewrite nothing form a *group* and look at the same text (side
by side where they are async); a rule that rewrites is a group of its own, and the next group sees what it
left. So ``[redact(pii()), block(judge())]`` never shows the judge what was masked.

A text of a request in which a `fall_back` rule finds something is kept from the primary and goes to a
fallback. So the rules behind it look at the text as well: who screens a request gives a list, *past*, for
such stops.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from time import perf_counter_ns
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Literal, Union

from guardrails_lite._engine._tally import Stop, Tally, booked, look, look_now, stop_of_broken, stops, worst
from guardrails_lite._messages._params import Fixed
from guardrails_lite._record import CheckStep
from guardrails_lite._rules import Rule
from guardrails_lite._sharing import clear_desk, open_desk
from guardrails_lite._validators import Finding, for_texts

if TYPE_CHECKING:
    from guardrails_lite._messages import Call

_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""
Checks = Union["Round", "Groups"]
"""What runs the rules that apply to one text."""
Tallies = Union["Round", Sequence[Tally]]
"""The counts of all rules of a side in one attempt, in the order of the rules."""


class Side:
    """The rules of one side of a guard, prepared once: which apply to which role, and in which groups."""

    __slots__ = (
        "_by_role",
        "finds",
        "group_places",
        "holds",
        "name",
        "remembers",
        "rules",
        "sampled",
        "seats",
        "waits",
    )

    def __init__(self, name: Literal["input", "output"], rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = tuple(rules)
        self.holds = any(rule.holds for rule in rules)
        self.sampled = any(rule.share < 1 for rule in rules)
        self.remembers = not self.sampled and not any(rule.validator.wants_call for rule in rules)
        """Whether a text that passed once passes again, whatever else is said in the call."""
        self.seats = [(rule, rule.told, name, _at_once(rule)) for rule in self.rules]
        self.waits = any(find is None for *_, find in self.seats)
        """Whether a check may have to be waited for."""
        self._by_role: dict[str, tuple[tuple[int, ...], ...]] = {}
        self.group_places = self._groups(range(len(self.rules)))
        finds = [find for *_, find in self.seats if find is not None]
        anyone = not self.sampled and all(rule.roles is None for rule in self.rules)
        self.finds = tuple(finds) if anyone and len(finds) == len(self.rules) else ()
        """The functions of all its validators, where every rule is for everyone and needs no driver."""

    def tallies(self, attempt: int) -> list[Tally]:
        """Fresh counts, one for each rule."""
        return [Tally(rule, name, side, attempt, find) for rule, name, side, find in self.seats]

    def checks(self, role: str, tallies: Tallies) -> Checks:
        """The rules that apply to *role*, ready to run over its texts and to be counted."""
        if isinstance(tallies, Round):
            return tallies  # as most guards have it: nothing to pick
        groups = self._by_role.get(role)
        if groups is None:
            groups = self._groups(
                place for place, rule in enumerate(self.rules) if rule.roles is None or role in rule.roles
            )
            if len(self._by_role) < 16:  # roles are the provider's, but nothing stops a caller inventing some
                self._by_role[role] = groups
        if self.sampled:
            groups = self._groups(
                place for group in groups for place in group if tallies[place].result != "skipped"
            )
        return Groups([tallies[place] for place in group] for group in groups)

    def _groups(self, places: Iterable[int]) -> tuple[tuple[int, ...], ...]:
        groups: list[list[int]] = []
        for place in places:
            rule = self.rules[place]
            before = self.rules[groups[-1][0]] if groups else None
            if before and not rule.rewrites and not before.rewrites:
                groups[-1].append(place)
            else:
                groups.append([place])
        return tuple(map(tuple, groups))


class Round:
    """The checks of a side of which every rule is for everyone and needs no driver, in one attempt.

    It stands for the tallies of its rules, which are made once there is more to say than that all passed.
    """

    __slots__ = ("attempt", "known", "ns", "opened", "side", "texts")

    def __init__(self, side: Side, attempt: int) -> None:
        self.side = side
        self.attempt = attempt
        self.texts = 0
        """How many texts every rule has passed."""
        self.known = 0
        """How many more they have passed before."""
        self.ns = [0] * len(side.finds)
        """How long each rule has looked."""
        self.opened: list[Tally] | None = None

    def screen(self, text: str, call: Call, past: list[Stop] | None = None) -> str:
        """Run all rules over one whole text: what is left of it.

        Raises:
            Stop: a rule stops it.
        """
        if len(self.ns) < 2:
            return self._screen(text, past)
        open_desk()
        try:
            return self._screen(text, past)
        finally:
            clear_desk()

    def _screen(self, text: str, past: list[Stop] | None) -> str:
        if self.opened is not None:
            return self._act_on(text, (), past)
        ns = self.ns
        place = 0
        found: Any = None
        began_ns = perf_counter_ns()
        try:
            for find in self.side.finds:
                found = find(text)
                if type(found) is GeneratorType:
                    found = [*found]
                if found or (type(found) is not tuple and type(found) is not list):
                    break
                now_ns = perf_counter_ns()
                ns[place] += now_ns - began_ns
                began_ns = now_ns
                place += 1
            else:
                self.texts += 1
                return text
        except Exception as error:  # kept by nobody: its traceback holds this frame, and so the text
            last = booked(self.tallies()[place], text, began_ns, None, error)
        else:
            last = booked(self.tallies()[place], text, began_ns, found)
        for tally in self.tallies()[:place]:
            tally.result = "passed"
        return self._act_on(text, [*[()] * place, last], past)

    def _act_on(self, text: str, seen: Sequence[Sequence[Finding] | None], past: list[Stop] | None) -> str:
        """Do what the rules say, of which the first have *seen* the text already."""
        tallies = self.tallies()
        for places in self.side.group_places:
            group = [tallies[place] for place in places]
            looked = [seen[at] if at < len(seen) else look_now(tallies[at], text) for at in places]
            text = _act(group, looked, text, past)
        return text

    def tallies(self) -> list[Tally]:
        """What each rule did, to be counted on."""
        if self.opened is None:
            self.opened = self.side.tallies(self.attempt)
            for tally, ns in zip(self.opened, self.ns, strict=True):
                tally.texts, tally.known, tally.ns = self.texts, self.known, ns
                if self.texts or self.known or ns:
                    tally.result = "passed"
        return self.opened

    def __iter__(self) -> Iterator[Sequence[Tally]]:
        return iter(self._groups())

    def _groups(self) -> Groups:
        tallies = self.tallies()
        return Groups([tallies[place] for place in places] for places in self.side.group_places)

    def know(self) -> None:
        """Count one text that all have passed before."""
        if self.opened is None:
            self.known += 1
        else:
            self._groups().know()

    @property
    def all_passed(self) -> bool:
        """Whether every rule has let pass all that it has seen."""
        return self.opened is None or self._groups().all_passed

    def steps(self) -> Sequence[CheckStep]:
        """What the record tells of it."""
        if self.opened is None and self.texts:
            attempt, texts, known = self.attempt, self.texts, self.known
            rest = ("passed", None, (), texts, known)
            return [
                _new(CheckStep, (name, side, attempt, *rest, ns / 1000, None, None, None))
                for (_, name, side, _), ns in zip(self.side.seats, self.ns, strict=True)
            ]
        return [step for tally in self.tallies() for step in tally.steps()]


def _at_once(rule: Rule) -> Callable[[str], Any] | None:
    """The function of a rule that needs no driver: plain code without a limit on its time."""
    plain = rule.validator.kind == "plain" and rule.timeout_s is None and not rule.validator.wants_call
    return for_texts(rule.validator.find) if plain else None


class Groups(list[Sequence[Tally]]):
    """The counts of the rules that apply to one text, group by group."""

    __slots__ = ()

    def screen(self, text: str, call: Call, past: list[Stop] | None = None) -> str | Coroutine[Any, Any, str]:
        """Run all groups over one whole text.

        Returns:
            What is left of it; or, from the first group on that needs a driver, something to await for it.
            Most guards need none, and a coroutine costs more than their rules.

        Raises:
            Stop: a rule stops it.
        """
        for place, group in enumerate(self):
            for tally in group:
                if tally.find is None:
                    return _screen_on(self[place:], text, call, past)
            text = _act(group, [look_now(tally, text) for tally in group], text, past)
        return text

    def know(self) -> None:
        """Count one text that all have passed before."""
        for group in self:
            for tally in group:
                tally.known += 1
                tally.result = "passed" if tally.result == "not run" else tally.result

    @property
    def all_passed(self) -> bool:
        """Whether every rule has let pass all that it has seen."""
        return all(tally.result == "passed" for group in self for tally in group)


def acting(checks: Checks) -> Groups:
    """Those of *checks* that mask or stop, without what only takes note."""
    groups = ([tally for tally in group if tally.rule.rewrites or stops(tally.rule)] for group in checks)
    return Groups(filter(None, groups))


async def screened(checks: Checks, text: str, call: Call, past: list[Stop] | None = None) -> str:
    """Run the rules over one whole text, to be awaited whatever they are: what is left of it.

    Raises:
        Stop: a rule stops it.
    """
    left = checks.screen(text, call, past)
    return left if isinstance(left, str) else await left


async def _screen_on(
    groups: Iterable[Sequence[Tally]], text: str, call: Call, past: list[Stop] | None
) -> str:
    for group in groups:
        text = _act(group, await look(group, text, call), text, past)
    return text


def _act(
    group: Sequence[Tally],
    seen: Sequence[Sequence[Finding] | None],
    text: str,
    past: list[Stop] | None,
) -> str:
    """Do what the rules of one group say about what was seen."""
    stopped: list[Stop] | None = None
    for tally, findings in zip(group, seen, strict=True):
        tally.texts += 1
        if findings is None:
            if broken := stop_of_broken(tally):
                stopped = [*(stopped or ()), broken]
        elif findings:
            tally.found(findings)
            if tally.rule.rewrites and isinstance(text, Fixed):
                tally.action = "block"
                stopped = [*(stopped or ()), Stop(tally.rule, findings)]
            elif tally.rule.rewrites:
                text = masked(text, findings)
            elif stops(tally.rule):
                stopped = [*(stopped or ()), Stop(tally.rule, findings)]
    if stopped:
        stop = worst(stopped)
        if past is None or stop.verb != "fall_back":
            raise stop
        past.append(stop)
    return text


def masked(text: str, findings: Iterable[Finding]) -> str:
    """*text* with every finding's span replaced; spans that overlap are masked as one.

    The mask of the first stands for all of them. A finding without a span masks the whole text.
    """
    parts: list[str] = []
    at = 0
    for start, end, mask in in_order(findings, len(text)):
        if end <= at and start < at:
            continue
        if start >= at:
            parts += (text[at:start], mask)
        at = max(at, end)
    parts.append(text[at:])
    return "".join(parts)


def in_order(findings: Iterable[Finding], length: int) -> list[tuple[int, int, str]]:
    """Spans and masks from left to right, the longest first where several start together."""
    spans = [
        (*(finding.span if finding.span is not None else (0, length)), finding.mask) for finding in findings
    ]
    spans.sort(key=lambda span: (span[0], -span[1]))
    return spans
