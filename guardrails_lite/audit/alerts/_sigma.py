"""Sigma rules in YAML: read, checked whole, and refused where a part of one is not understood.

Each document of a file is a rule or a correlation of rules. Of the Sigma specification 2.1 these are taken:
all metadata; selections, modifiers and conditions as `_detect` reads them; correlations of the types
``event_count`` and ``value_count``. Filters, includes, placeholders and the other types are refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, get_args

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite.audit.alerts._detect import Test, detection
from guardrails_lite.audit.alerts._facts import PRODUCT, SERVICES, has_field

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_METADATA: Final = (
    *("title", "id", "name", "related", "taxonomy", "status", "description", "license", "references"),
    *("author", "date", "modified", "tags", "level", "falsepositives", "scope"),
)
_RULE: Final = (*_METADATA, "logsource", "detection", "fields")
_CORRELATION: Final = (*_METADATA, "correlation", "generate")
_STATUSES: Final = ("stable", "test", "experimental", "deprecated", "unsupported")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIMESPAN: Final = re.compile(r"([1-9]\d{0,6})([smhd])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: which facts it is about, and whether one is what it looks for."""

    id: str
    """A UUID."""
    title: str
    level: Level
    description: str
    tags: tuple[str, ...]
    name: str
    """What correlations may call it; empty: nothing but its id."""
    service: str
    """One of `SERVICES`."""
    test: Test
    asks: frozenset[str]
    """The fields that it looks at."""
    fields: tuple[str, ...]
    """The fields that an alert tells of the fact; empty: all that are there and have a value."""
    source: str = ""
    """The file that it was read from; empty: it came with this library."""
    alone: bool = True
    """Whether it alerts by itself. Where a correlation counts it, only if that one generates it."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """So many facts that rules look for, of one group, within a timespan."""

    id: str
    title: str
    level: Level
    description: str
    tags: tuple[str, ...]
    rules: frozenset[str]
    """The ids of the rules whose facts are counted."""
    group_by: tuple[str, ...]
    timespan_s: int
    least: int
    """So many make a match."""
    field: str | None
    """The field whose different values are counted; None: facts are."""
    source: str = ""
    """The file that it was read from; empty: it came with this library."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules, and correlations of them."""

    rules: tuple[Rule, ...] = ()
    correlations: tuple[Correlation, ...] = ()

    def at_least(self, level: Level) -> Rules:
        """Those of *level* and above; a rule that one of these counts stays, to be counted."""
        least = LEVELS.index(level)
        correlations = tuple(one for one in self.correlations if LEVELS.index(one.level) >= least)
        counted = {ident for one in correlations for ident in one.rules}
        rules = []
        for rule in self.rules:
            high = LEVELS.index(rule.level) >= least and rule.alone
            if high or rule.id in counted:
                rules.append(rule if high else _silent(rule))
        return Rules(tuple(rules), correlations)

    @property
    def alerting(self) -> Sequence[Rule | Correlation]:
        """All that can alert."""
        return (*(rule for rule in self.rules if rule.alone), *self.correlations)


def read_rules(*places: str | os.PathLike[str], shipped: bool = True) -> Rules:
    """Read rules from files, and from the ``.yml`` and ``.yaml`` files of folders.

    Args:
        places: Files or folders; none: only the shipped rules.
        shipped: Whether the rules of this library are among them. One in *places* with the id of a shipped
            rule takes its place.

    Raises:
        ConfigError: a file cannot be read, or a part of a rule is not understood; with the place.
    """
    told = [part for place in places for file in _files(Path(place)) for part in _read(file)]
    theirs = len(told)
    if shipped:
        own = {str(document.get("id")).lower() for _, document in told}
        folder = files("guardrails_lite.audit.alerts") / "rules"
        for one in sorted(folder.iterdir(), key=lambda one: one.name):
            if one.name.endswith(".yml"):
                parts = _documents(one.name, one.read_text("utf-8"))
                told += [part for part in parts if str(part[1].get("id")).lower() not in own]
    return _linked(told, theirs)


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = sorted(file for file in place.iterdir() if file.suffix in (".yml", ".yaml"))
    if not found:
        raise ConfigError(f"{place}: no .yml or .yaml file in it")
    return found


def _read(file: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{file}: cannot be read ({why})") from None
    return _documents(str(file), text)


def _documents(file: str, text: str) -> list[tuple[str, dict[str, Any]]]:
    """The documents of a file, each with how an error names it."""
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingPackage.needed_by(
            "reading Sigma rules", "pyyaml", install="guardrails-lite[yaml]"
        ) from error
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            _refuse_twice(file, node)
        told = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{file}: is not YAML{where}") from None
    found = []
    for at, document in enumerate(told, 1):
        if document is None:
            continue
        where = file if len(told) == 1 else f"{file} document {at}"
        if not isinstance(document, dict):
            raise ConfigError(f"{where}: expected a rule, not a {type(document).__name__}")
        found.append((where, document))
    if not found:
        raise ConfigError(f"{file}: no rule in it")
    return found


def _refuse_twice(file: str, node: Any) -> None:
    """Of a key that is written twice, YAML would keep the last and forget the first."""
    waiting = [node]
    seen = set()  # an alias leads to what was there before, perhaps to what it stands in
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        value = getattr(one, "value", None)
        if isinstance(value, list):
            pairs = [each for each in value if isinstance(each, tuple)]
            keys = [key.value for key, _ in pairs]
            for key in keys:
                if isinstance(key, str) and keys.count(key) > 1:
                    line = one.start_mark.line + 1
                    raise ConfigError(f"{file}: {key!r} occurs twice in the map that begins at line {line}")
            waiting += [each for pair in pairs for each in pair] or value


# -- documents ----------------------------------------------------------------------------------------


def _linked(told: list[tuple[str, dict[str, Any]]], theirs: int) -> Rules:
    """The rules that *told* says, of which the first so many are not shipped."""
    rules: dict[str, Rule] = {}
    later = []
    places: dict[str, str] = {}
    for at, (where, document) in enumerate(told):
        try:
            kind = _CORRELATION if "correlation" in document else _RULE
            unknown = [name for name in document if name not in kind]
            if unknown:
                raise ConfigError(f"{unknown[0]!r} is not supported; there are {', '.join(kind)}")
            head = {**_head(document), "source": where if at < theirs else ""}
            if head["id"] in places:
                raise ConfigError(f"a rule in {places[head['id']]} has the same id")
            places[head["id"]] = where
            if kind is _CORRELATION:
                later.append((where, document, head))
            else:
                rules[head["id"]] = _rule(document, head)
        except ConfigError as error:
            raise _placed(where, document, error) from None
    correlations = []
    generated: dict[str, bool] = {}
    for where, document, head in later:
        try:
            correlation = _correlation(document, head, rules)
            for ident in correlation.rules:
                generated[ident] = generated.get(ident, False) or _generate(document)
        except ConfigError as error:
            raise _placed(where, document, error) from None
        correlations.append(correlation)
    return Rules(
        tuple(rule if generated.get(rule.id, True) else _silent(rule) for rule in rules.values()),
        tuple(correlations),
    )


def _placed(where: str, document: Mapping[str, Any], error: ConfigError) -> ConfigError:
    title = document.get("title")
    return ConfigError(f"{where}{f': rule {title!r}' if isinstance(title, str) else ''}: {error}")


def _silent(rule: Rule) -> Rule:
    return replace(rule, alone=False)


def _head(told: Mapping[str, Any]) -> dict[str, Any]:
    title, ident = told.get("title"), told.get("id")
    if not isinstance(title, str) or not title.strip():
        raise ConfigError("a rule needs a title")
    if not isinstance(ident, str) or not _UUID.fullmatch(ident):
        raise ConfigError("a rule needs an id, a UUID, which identifies its alerts")
    level = told.get("level", "medium")
    if level not in LEVELS:
        raise ConfigError(f"level {level!r} is not known; there are {', '.join(LEVELS)}")
    status = told.get("status", "stable")
    if status not in _STATUSES or status == "unsupported":
        raise ConfigError(f"a rule with the status {status!r} is not run")
    if told.get("taxonomy", PRODUCT) != PRODUCT:
        raise ConfigError(f"taxonomy {told['taxonomy']!r} is not known; there is {PRODUCT}")
    return {
        "id": ident.lower(),
        "title": title,
        "level": level,
        "description": " ".join(str(told.get("description", "")).split()),
        "tags": tuple(_texts(told, "tags")),
    }


def _rule(told: Mapping[str, Any], head: dict[str, Any]) -> Rule:
    source = told.get("logsource")
    if not isinstance(source, dict):
        raise ConfigError("a rule needs a logsource, with product and service")
    unknown = [name for name in source if name not in ("product", "service", "definition")]
    if unknown:
        raise ConfigError(f"logsource.{unknown[0]} is not supported; there are product and service")
    if source.get("product") != PRODUCT:
        raise ConfigError(f"logsource.product is {source.get('product')!r}; this log is {PRODUCT!r}")
    service = source.get("service")
    if not isinstance(service, str) or service not in SERVICES:
        raise ConfigError(f"logsource.service {service!r} is not known; there are {', '.join(SERVICES)}")
    found = detection(told.get("detection"))
    fields = tuple(_texts(told, "fields"))
    for name in (*sorted(found.fields), *fields):
        _check_field(service, name)
    name = told.get("name", "")
    return Rule(**head, name=str(name), service=service, test=found.test, asks=found.fields, fields=fields)


def _check_field(service: str, name: str) -> None:
    if not has_field(service, name):
        raise ConfigError(
            f"the service {service!r} has no field {name!r}; there are {', '.join(SERVICES[service])}"
        )


def _correlation(told: Mapping[str, Any], head: dict[str, Any], rules: Mapping[str, Rule]) -> Correlation:
    inner = told["correlation"]
    if not isinstance(inner, dict):
        raise ConfigError("correlation must be a map")
    known = ("type", "rules", "group-by", "timespan", "condition")
    unknown = [name for name in inner if name not in known]
    if unknown:
        raise ConfigError(f"correlation.{unknown[0]} is not supported; there are {', '.join(known)}")
    kind = inner.get("type")
    if kind not in ("event_count", "value_count"):
        raise ConfigError(
            f"correlation.type {kind!r} is not supported; there are event_count and value_count"
        )
    counted = [_named(name, rules) for name in _texts(inner, "rules")]
    if not counted:
        raise ConfigError("correlation.rules must name a rule, by its id or its name")
    group_by = tuple(_texts(inner, "group-by"))
    span = _TIMESPAN.fullmatch(str(inner.get("timespan")))
    if span is None:
        raise ConfigError("correlation.timespan must be a number of s, m, h or d, such as 15m")
    least, field = _least(inner.get("condition"), valued=kind == "value_count")
    for rule in counted:
        for name in (*group_by, *([field] if field else [])):
            _check_field(rule.service, name)
    ids = frozenset(rule.id for rule in counted)
    return Correlation(
        **head,
        rules=ids,
        group_by=group_by,
        timespan_s=int(span[1]) * _UNIT_S[span[2]],
        least=least,
        field=field,
    )


def _named(name: str, rules: Mapping[str, Rule]) -> Rule:
    found = [rule for rule in rules.values() if name.lower() == rule.id or (rule.name and name == rule.name)]
    if len(found) != 1:
        what = "several rules are" if found else "no rule is"
        raise ConfigError(f"correlation.rules: {what} called {name!r}; a correlation cannot count another")
    return found[0]


def _least(told: object, *, valued: bool) -> tuple[int, str | None]:
    if not isinstance(told, dict):
        raise ConfigError("correlation.condition must be a map, such as gte: 5")
    field = told.get("field")
    if valued is not isinstance(field, str):
        raise ConfigError("correlation.condition.field goes with value_count, and names one field")
    rest = {name: value for name, value in told.items() if name != "field"}
    name, value = next(iter(rest.items()), ("", None))
    if len(rest) != 1 or name not in ("gt", "gte"):
        raise ConfigError(
            "correlation.condition takes one of gt and gte: a count that stays low is met by the first fact"
        )
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"correlation.condition.{name} must be a whole number, 1 or more")
    return value + (name == "gt"), field


def _generate(told: Mapping[str, Any]) -> bool:
    value = told.get("generate", False)
    if not isinstance(value, bool):
        raise ConfigError("generate must be true or false")
    return value


def _texts(told: Mapping[str, Any], name: str) -> Iterator[str]:
    value = told.get(name) or []
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str):
            raise ConfigError(f"{name} must be a list of texts")
        yield one
