"""Detections: what a rule's selections and its condition become, a test of one fact's fields.

The semantics are those of the Sigma specification 2.1: values are compared as text in either case, ``*`` and
``?`` are wildcards, a map asks for all of its fields, a list for one of its items. What is not known here is
refused, because a rule that is read in part alerts on something else than its author meant.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from guardrails_lite._errors import ConfigError

Test = Callable[[Mapping[str, Any]], bool]
"""Whether the fields of a fact are what was asked for."""
_One = Callable[[Any], bool]
"""Whether one value of a field is."""

_NUMERIC: Final[dict[str, Callable[[float, float], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_PLACED: Final = {"contains": ("*", "*"), "startswith": ("", "*"), "endswith": ("*", "")}
_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_KINDS: Final = (*_PLACED, "re", "cidr", *_NUMERIC, "exists")
"""Of these, one field takes at most one."""
MODIFIERS: Final = (*_KINDS, *_FLAGS, "all", "cased", "neq")
"""What may stand behind a field."""

_TOKEN: Final = re.compile(r"\s*(?:([()])|([\w*?.-]+))")


@dataclass(frozen=True, slots=True)
class Detection:
    """What a rule looks for."""

    test: Test
    fields: frozenset[str]
    """The fields that it asks for."""


def detection(told: object) -> Detection:
    """Read the ``detection`` of a rule.

    Raises:
        ConfigError: a part of it is unknown or cannot work.
    """
    if not isinstance(told, Mapping) or "condition" not in told:
        raise ConfigError("detection must be a map of selections and a condition")
    if "timeframe" in told:
        raise ConfigError(
            "detection.timeframe is from older rules; write a correlation with a timespan: event_count"
        )
    fields: set[str] = set()
    selections = {
        str(name): _selection(f"detection.{name}", value, fields)
        for name, value in told.items()
        if name != "condition"
    }
    conditions = told["condition"] if isinstance(told["condition"], list) else [told["condition"]]
    used: set[str] = set()
    tests = [_Condition(text, selections, used).test() for text in conditions]
    unused = [name for name in selections if name not in used]
    if unused:
        raise ConfigError(f"detection.{unused[0]} is not used in the condition, so it would change nothing")
    return Detection(tests[0] if len(tests) == 1 else _any(tests), frozenset(fields))


def may_be(test: Test, known: Mapping[str, Any]) -> bool:
    """Whether *test* can be true of a fact of whose fields only *known* are told.

    False is certain: whatever the other fields are, the test is false.
    """
    return not _is_surely(False, test, _Partly(known))


# -- selections ---------------------------------------------------------------------------------------


def _selection(place: str, told: object, fields: set[str]) -> Test:
    match told:
        case Mapping() if told:
            return _all([_field(place, str(name), value, fields) for name, value in told.items()])
        case list() if told and all(isinstance(one, Mapping) for one in told):
            return _any([_selection(f"{place}[{at}]", one, fields) for at, one in enumerate(told)])
        case list():
            raise ConfigError(f"{place} searches the whole entry; name a field, because a log has no text")
    raise ConfigError(f"{place} must be a map of fields, or a list of such maps")


def _field(place: str, spelled: str, told: object, fields: set[str]) -> Test:
    name, *modifiers = spelled.split("|")
    place = f"{place}.{spelled}"
    unknown = [modifier for modifier in modifiers if modifier not in MODIFIERS]
    if unknown:
        raise ConfigError(
            f"{place}: the modifier {unknown[0]!r} is not supported; there are {', '.join(MODIFIERS)}"
        )
    kinds = [modifier for modifier in modifiers if modifier in _KINDS]
    if len(kinds) > 1 or len(set(modifiers)) < len(modifiers):
        raise ConfigError(f"{place}: the modifiers {', '.join(modifiers)} do not go together")
    kind = kinds[0] if kinds else ""
    if kind != "re" and set(modifiers) & set(_FLAGS):
        raise ConfigError(f"{place}: i, m and s must follow re")
    if "cased" in modifiers and kind not in ("", *_PLACED):
        raise ConfigError(f"{place}: cased is for text; {kind} takes none")
    values = told if isinstance(told, list) else [told]
    if not values:
        raise ConfigError(f"{place} has no value")
    if "all" in modifiers and (len(values) == 1 or "neq" in modifiers):
        raise ConfigError(f"{place}: all needs several values, and does not go with neq")
    if kind == "exists":
        return _exists(place, name, told, fields)
    fields.add(name)
    ones = [_value(place, kind, modifiers, value) for value in values]
    wanted, of_several = (_all if "all" in modifiers else _any), [_in(one) for one in ones]
    of_one, of_list, negated = wanted(ones), wanted(of_several), "neq" in modifiers

    def test(held: Mapping[str, Any]) -> bool:
        value = held.get(name)
        if isinstance(value, (list, tuple)) and value:
            return of_list(value) is not negated
        return of_one(value) is not negated

    return test


def _in(one: _One) -> Callable[[Sequence[Any]], bool]:
    return lambda several: any(map(one, several))


def _exists(place: str, name: str, told: object, fields: set[str]) -> Test:
    if not isinstance(told, bool):
        raise ConfigError(f"{place} must be true or false")
    fields.add(name)
    return lambda held: (not _is_absent(held.get(name))) is told


def _value(place: str, kind: str, modifiers: list[str], value: object) -> _One:
    if isinstance(value, (Mapping, list)):
        raise ConfigError(f"{place} must be a value or a list of values")
    if value is None or value == "":
        if kind:
            raise ConfigError(f"{place}: {kind} needs a value")
        return _is_absent
    if kind in _NUMERIC:
        return _number(place, _NUMERIC[kind], value)
    if kind == "re":
        return _pattern(place, value, [_FLAGS[one] for one in modifiers if one in _FLAGS])
    if kind == "cidr":
        return _network(place, value)
    before, after = _PLACED.get(kind, ("", ""))
    return _text(f"{before}{as_text(value)}{after}", cased="cased" in modifiers)


def _text(pattern: str, *, cased: bool) -> _One:
    """A value with the wildcards ``*`` and ``?``; a backslash before one of them makes it plain."""
    parts = re.findall(r"\\[\\*?]|[*?]|.", pattern, re.DOTALL)
    spelled = "".join(_wild(part) for part in parts)
    matches = re.compile(spelled, re.DOTALL | (0 if cased else re.IGNORECASE)).fullmatch
    return lambda value: not _is_absent(value) and matches(as_text(value)) is not None


def _wild(part: str) -> str:
    if part in ("*", "?"):
        return ".*" if part == "*" else "."
    return re.escape(part[-1])


def _number(place: str, compare: Callable[[float, float], bool], value: object) -> _One:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{place} must be a number, not {value!r}")
    return lambda held: isinstance(held, (int, float)) and not isinstance(held, bool) and compare(held, value)


def _pattern(place: str, value: object, flags: Iterable[re.RegexFlag]) -> _One:
    try:
        found = re.compile(str(value), sum(flags)).search
    except re.error as error:
        raise ConfigError(f"{place} is not a regular expression: {error}") from None
    return lambda held: not _is_absent(held) and found(as_text(held)) is not None


def _network(place: str, value: object) -> _One:
    try:
        network = ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        raise ConfigError(f"{place} is not a network; expected one such as 10.0.0.0/8") from None

    def test(held: Any) -> bool:
        try:
            return ipaddress.ip_address(str(held)) in network
        except ValueError:
            return False

    return test


def as_text(value: object) -> str:
    """A value as rules spell it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_absent(value: object) -> bool:
    return value is None or value == ""


# -- the condition ------------------------------------------------------------------------------------


class _Condition:
    """``selection and not (a or 1 of b_*)``: ``not`` before ``and`` before ``or``."""

    def __init__(self, text: object, selections: Mapping[str, Test], used: set[str]) -> None:
        if not isinstance(text, str):
            raise ConfigError("detection.condition must be text, such as 'selection and not filter'")
        if "|" in text:
            raise ConfigError(
                "detection.condition counts after '|', as older rules do; write a correlation: event_count"
            )
        self._text = text
        self._selections = selections
        self._used = used
        self._tokens = self._cut()

    def test(self) -> Test:
        found = self._or()
        if self._tokens:
            raise self._wrong(f"{self._tokens[0]!r} was not expected")
        return found

    def _cut(self) -> list[str]:
        tokens, at = [], 0
        while at < len(self._text.rstrip()):
            match = _TOKEN.match(self._text, at)
            if match is None:
                raise self._wrong(f"{self._text[at:].strip()[:1]!r} was not expected")
            tokens.append(match[1] or match[2])
            at = match.end()
        return tokens

    def _or(self) -> Test:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else _any(parts)

    def _and(self) -> Test:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else _all(parts)

    def _not(self) -> Test:
        if self._take("not"):
            inner = self._not()
            return lambda held: not inner(held)
        if self._take("("):
            inner = self._or()
            if not self._take(")"):
                raise self._wrong("a bracket is not closed")
            return inner
        return self._named()

    def _named(self) -> Test:
        if not self._tokens:
            raise self._wrong("it ends too early")
        word = self._tokens.pop(0)
        if self._tokens and self._tokens[0].lower() == "of":
            self._tokens.pop(0)
            return self._several(word.lower())
        if word not in self._selections:
            there = ", ".join(self._selections)
            raise self._wrong(f"there is no selection {word!r}; there are {there}")
        self._used.add(word)
        return self._selections[word]

    def _several(self, how: str) -> Test:
        if how not in ("1", "any", "all"):
            raise self._wrong(f"{how!r} of is not known; there are 1 of, any of and all of")
        if not self._tokens:
            raise self._wrong("it ends too early")
        pattern = self._tokens.pop(0)
        names = [
            name
            for name in self._selections
            if (not name.startswith("_") if pattern == "them" else fnmatchcase(name, pattern))
        ]
        if not names:
            raise self._wrong(f"no selection is called {pattern!r}")
        self._used.update(names)
        parts = [self._selections[name] for name in names]
        return _all(parts) if how == "all" else _any(parts)

    def _take(self, word: str) -> bool:
        if self._tokens and self._tokens[0].lower() == word:
            self._tokens.pop(0)
            return True
        return False

    def _wrong(self, why: str) -> ConfigError:
        return ConfigError(f"detection.condition {self._text!r}: {why}")


def _all(tests: Sequence[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    def test(held: Any) -> bool:
        try:
            for each in tests:  # a month of a log is a million tests
                if not each(held):
                    return False
        except _Untold:
            if any(_is_surely(False, each, held) for each in tests):
                return False
            raise
        return True

    return tests[0] if len(tests) == 1 else test


def _any(tests: Sequence[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    def test(held: Any) -> bool:
        try:
            for each in tests:  # as above
                if each(held):
                    return True
        except _Untold:
            if any(_is_surely(True, each, held) for each in tests):
                return True
            raise
        return False

    return tests[0] if len(tests) == 1 else test


# -- facts that are told in part ----------------------------------------------------------------------


class _Untold(Exception):
    """A test came to a field that is not told, so it can say neither true nor false."""


class _Partly(dict[str, Any]):
    """The fields of a fact that are told."""

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            raise _Untold
        return self[name]


def _is_surely(wanted: bool, test: Test, held: Mapping[str, Any]) -> bool:
    """Whether *test* says *wanted* of *held*, whatever the fields are that are not told."""
    try:
        return test(held) is wanted
    except _Untold:
        return False
