"""Act on what validators find: count it, mask it, or stop.

Rules run in their order. Neighbours that rewrite nothing form a *group* and look at the same text (side
by side where they are async); a rule that rewrites is a group of its own, and the next group sees what it
left. So ``[redact(pii()), block(judge())]`` never shows the judge what was masked.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal, Union

from guardrails_lite._engine._effects import Check, Checked, listed
from guardrails_lite._record import CheckResult, CheckStep, FindingCount
from guardrails_lite._rules import Finding, Rule

if TYPE_CHECKING:
    from guardrails_lite._messages import Call

Groups = Iterable[Sequence["Tally"]]
Tallies = Union["Round", Sequence["Tally"]]
_SEVERITY = {"block": 0, "redact": 0, "fall_back": 1, "reask": 2}


class Side:
    """The rules of one side of a guard, prepared once: which apply to which role, and in which groups."""

    __slots__ = ("_by_role", "_seats", "finds", "group_places", "holds", "name", "rules", "sampled")

    def __init__(self, name: Literal["input", "output"], rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = tuple(rules)
        self.holds = any(rule.holds for rule in rules)
        self.sampled = any(rule.share < 1 for rule in rules)
        self._seats = [(rule, repr(rule), name, _at_once(rule)) for rule in self.rules]
        self._by_role: dict[str, tuple[tuple[int, ...], ...]] = {}
        self.group_places = self._groups(range(len(self.rules)))
        finds = [find for *_, find in self._seats if find is not None]
        anyone = not self.sampled and all(rule.roles is None for rule in self.rules)
        self.finds = tuple(finds) if anyone and len(finds) == len(self.rules) else ()
        """The functions of all its validators, where every rule is for everyone and needs no driver."""

    def tallies(self, attempt: int) -> list[Tally]:
        """Fresh counts, one for each rule."""
        return [Tally(rule, name, side, attempt, find) for rule, name, side, find in self._seats]

    def groups(self, role: str, tallies: Tallies) -> Groups:
        """The rules that apply to *role*, as the counts of each group in turn."""
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
        return [[tallies[place] for place in group] for group in groups]

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


class Stop(Exception):  # a signal inside the engine, not an error
    """A rule says that this text may not pass."""

    def __init__(self, rule: Rule, findings: Sequence[Finding], *, broken: bool = False) -> None:
        super().__init__(repr(rule))
        self.rule = rule
        self.findings = tuple(findings)
        self.broken = broken

    @property
    def verb(self) -> Literal["block", "fall_back", "reask"]:
        """What to do: a `redact` that cannot mask blocks."""
        return self.rule.verb if self.rule.verb in ("fall_back", "reask") else "block"


class Tally:
    """What one rule did on one side of one attempt, counted up as texts come."""

    # Defaults of the class, not of the instance: most calls make some and find nothing.
    result: CheckResult = "not run"
    action: str | None = None
    findings: dict[tuple[str, str | None], tuple[float | None, int]] | None = None
    texts = 0
    known = 0
    ns = 0
    error: str | None = None

    def __init__(
        self,
        rule: Rule,
        name: str,
        side: Literal["input", "output", "field"],
        attempt: int,
        find: Callable[[str], Any] | None = None,
    ) -> None:
        self.rule = rule
        self.name = name
        self.side = side
        self.attempt = attempt
        self.find = find
        """The validator's function, where it may be called here and now; None where it needs a driver."""

    def steps(self) -> Sequence[CheckStep]:
        """What the record tells of it."""
        return (self.step(),)

    def found(self, findings: Sequence[Finding]) -> None:
        """Count findings, by message and category."""
        self.result = "found"
        if self.rule.mode == "monitor":
            self.action = "monitor"
        else:
            self.action = self.rule.verb
        if self.findings is None:
            self.findings = {}
        for finding in findings:
            key = (finding.message, finding.category)
            score, times = self.findings.get(key, (None, 0))
            if finding.score is not None:
                score = finding.score if score is None else max(score, finding.score)
            self.findings[key] = (score, times + 1)

    def step(self) -> CheckStep:
        """The same, as one."""
        findings: tuple[FindingCount, ...] = ()
        if self.findings:
            findings = tuple(
                FindingCount(message, category, score, times)
                for (message, category), (score, times) in self.findings.items()
            )
        return CheckStep(
            self.name,
            self.side,
            self.attempt,
            self.result,
            self.action,
            findings,
            self.texts,
            self.known,
            self.ns / 1000,
            self.error,
        )


class Round:
    """The checks of a side of which every rule is for everyone and needs no driver, in one attempt.

    It stands for the tallies of its rules, which are made once there is more to say than that all passed.
    """

    # Defaults of the class, not of the instance: they hold to the end of most calls.
    texts = 0
    """How many texts every rule has passed."""
    known = 0
    """How many more they have passed before."""
    opened: list[Tally] | None = None

    def __init__(self, side: Side, attempt: int) -> None:
        self.side = side
        self.attempt = attempt
        self.ns = [0] * len(side.finds)
        """How long each rule has looked."""

    def screen(self, text: str) -> str:
        """Run all rules over one whole text.

        Raises:
            Stop: a rule stops it.
        """
        if self.opened is not None:
            return self._act_on(text, ())
        ns = self.ns
        place = 0
        found: Any = None
        failed: Exception | None = None
        began_ns = perf_counter_ns()
        try:
            for find in self.side.finds:
                found = find(text)
                if found or (type(found) is not tuple and type(found) is not list):
                    break
                now_ns = perf_counter_ns()
                ns[place] += now_ns - began_ns
                began_ns = now_ns
                place += 1
            else:
                self.texts += 1
                return text
        except Exception as error:
            failed = error
        tallies = self.tallies()
        for tally in tallies[:place]:
            tally.result = "passed"
        seen = [*[()] * place, _told(tallies[place], text, began_ns, found, failed)]
        return self._act_on(text, seen)

    def _act_on(self, text: str, seen: Sequence[Sequence[Finding] | None]) -> str:
        """Do what the rules say, of which the first have *seen* the text already."""
        tallies = self.tallies()
        for places in self.side.group_places:
            group = [tallies[place] for place in places]
            looked = [seen[at] if at < len(seen) else _look_now(tallies[at], text) for at in places]
            text = _act(group, looked, text)
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

    def __iter__(self) -> Iterator[list[Tally]]:
        tallies = self.tallies()
        return iter([[tallies[place] for place in places] for places in self.side.group_places])

    def steps(self) -> Sequence[CheckStep]:
        """What the record tells of it."""
        return [tally.step() for tally in self.tallies()]


def _at_once(rule: Rule) -> Callable[[str], Any] | None:
    """The function of a rule that needs no driver: plain code without a limit on its time."""
    plain = rule.validator.kind == "plain" and rule.timeout_s is None and not rule.validator.wants_call
    return rule.validator.find if plain else None


async def look(group: Sequence[Tally], text: str, call: Call) -> list[Sequence[Finding] | None]:
    """Run the validators of a group over one text. None stands for a validator that broke."""
    for tally in group:
        if tally.find is None:
            answers = await Check([tally.rule for tally in group], text, call)
            return [_seen(tally, checked, text) for tally, checked in zip(group, answers, strict=True)]
    return [_look_now(tally, text) for tally in group]


def _look_now(tally: Tally, text: str) -> Sequence[Finding] | None:
    """Run one validator that needs no driver, and book its answer."""
    began_ns = perf_counter_ns()
    try:
        found = tally.find(text)  # type: ignore[misc]  # asked before
    except Exception as error:
        return _told(tally, text, began_ns, None, error)
    return _told(tally, text, began_ns, found)


def _told(
    tally: Tally, text: str, began_ns: int, found: Any, error: Exception | None = None
) -> Sequence[Finding] | None:
    """Book what a validator returned or raised."""
    findings: Sequence[Finding] = ()
    if error is None:
        try:
            is_list = type(found) is list or type(found) is tuple
            findings = found if is_list else listed(found, tally.rule.validator)
        except Exception as failed:
            error = failed
    spent_ns = perf_counter_ns() - began_ns
    return _seen(tally, Checked(findings, spent_ns, error, isinstance(error, TimeoutError)), text)


def _seen(tally: Tally, checked: Checked, text: str) -> Sequence[Finding] | None:
    """Book one validator's answer: its findings, or None if it broke."""
    tally.ns += checked.duration_ns
    if tally.result == "not run":
        tally.result = "passed"
    if checked.error is not None:
        _broke(tally, type(checked.error).__name__, timed_out=checked.timed_out)
        return None
    findings = checked.findings
    return findings if not findings or _is_sound(tally, findings, text) else None


def _is_sound(tally: Tally, findings: Sequence[Finding], text: str) -> bool:
    """Whether a validator kept its contract; if not, the tally says how it broke."""
    for finding in findings:
        if not isinstance(finding, Finding):
            return _broke(tally, "not a Finding")
        if finding.span is not None:
            start, end = finding.span
            if not 0 <= start <= end <= len(text):
                return _broke(tally, "span outside the text")
    return True


def _broke(tally: Tally, error: str, *, timed_out: bool = False) -> bool:
    tally.result = "timed out" if timed_out else "broken"
    tally.error = error
    return False


def stop_of_broken(tally: Tally) -> Stop | None:
    """What a broken check means for the text: it counts as found unless the rule is open about it."""
    rule = tally.rule
    if rule.mode == "monitor" or rule.verb == "warn" or rule.on_error == "open":
        tally.action = "open"
        return None
    tally.action = "block" if rule.verb == "redact" else rule.verb
    return Stop(rule, (), broken=True)


def stops(rule: Rule) -> bool:
    """Whether a finding of this rule stops the text, rather than being masked or noted."""
    return rule.mode == "enforce" and rule.verb in _SEVERITY and rule.verb != "redact"


def worst(stops: Sequence[Stop]) -> Stop:
    """Of several, the one to act on: a block before a fallback before a re-ask, then in rule order."""
    return min(stops, key=lambda stop: _SEVERITY[stop.verb])


def screen(groups: Groups, text: str, call: Call) -> str | Coroutine[Any, Any, str]:
    """Run all groups over one whole text.

    Returns:
        What is left of it; or, from the first group on that needs a driver, something to await for it.
        Most guards need none, and a coroutine costs more than their rules.

    Raises:
        Stop: a rule stops it.
    """
    if isinstance(groups, Round):
        return groups.screen(text)
    left = iter(groups)
    for group in left:
        for tally in group:
            if tally.find is None:
                return _screen_on([group, *left], text, call)
        text = _act(group, [_look_now(tally, text) for tally in group], text)
    return text


def know(groups: Groups) -> None:
    """Count one text that all have passed before."""
    if isinstance(groups, Round) and groups.opened is None:
        groups.known += 1
        return
    for group in groups:
        for tally in group:
            tally.known += 1
            tally.result = "passed" if tally.result == "not run" else tally.result


def all_passed(groups: Groups) -> bool:
    """Whether every rule has let pass all that it has seen."""
    if isinstance(groups, Round) and groups.opened is None:
        return True
    for group in groups:
        for tally in group:
            if tally.result != "passed":
                return False
    return True


async def screened(groups: Groups, text: str, call: Call) -> str:
    """`screen`, to be awaited whatever the rules are."""
    left = screen(groups, text, call)
    return left if isinstance(left, str) else await left


async def _screen_on(groups: Groups, text: str, call: Call) -> str:
    for group in groups:
        text = _act(group, await look(group, text, call), text)
    return text


def _act(group: Sequence[Tally], seen: Sequence[Sequence[Finding] | None], text: str) -> str:
    """Do what the rules of one group say about what was seen."""
    stopped: list[Stop] | None = None
    for tally, findings in zip(group, seen, strict=True):
        tally.texts += 1
        if findings is None:
            if broken := stop_of_broken(tally):
                stopped = [*(stopped or ()), broken]
        elif findings:
            tally.found(findings)
            if tally.rule.rewrites:
                text = masked(text, findings)
            elif stops(tally.rule):
                stopped = [*(stopped or ()), Stop(tally.rule, findings)]
    if stopped:
        raise worst(stopped)
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
