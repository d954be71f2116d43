"""What policies say, and what two of them say differently.

A rule is known by its validator, wherever it stands, so a rule that moved is the same one and the order is a
setting of its own. A withheld text is compared by the name that the log has for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from guardrails_lite._policy import is_bound
from guardrails_lite.audit.index._database import Database

_TYPE: Final = "policy.loaded"
_PLAIN: Final = {"on_error": "closed", "mode": "enforce", "share": 1.0, "kind": "plain", "version": ""}
"""What goes without saying of a rule that one policy has and the other has not."""
_AT_ONCE: Final = 500

Changed = Literal["added", "removed", "changed", "unclear"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the log tells of a policy, as it was written last."""

    digest: str
    at: int
    """When that was, nanoseconds since the epoch."""
    config: Mapping[str, Any]
    """The guard's settings; private texts are counted."""
    withheld: Mapping[str, str]
    """What the log calls each private text, by its place in `config`."""
    rest: str
    capture: str
    """What the log kept of texts."""
    bound: bool
    """Whether these are the settings that the digest names. If not, believe nothing of them."""

    def settings(self) -> dict[str, Any]:
        """Each setting by its name, rules and fallbacks as one text each."""
        return dict(_settings(self))


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One setting in which two policies differ."""

    setting: str
    """Such as ``input keywords.on_error``."""
    before: Any
    """None, where it had none."""
    after: Any
    change: Changed
    """``"unclear"``: a private text is called otherwise under another key of the log, and may be the same."""


def loaded(db: Database, digests: Iterable[str]) -> dict[str, Loaded]:
    """What the log tells of the policies of these digests, as far as it does."""
    asked = list(dict.fromkeys(digests))
    found: dict[str, Loaded] = {}
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        newest = f"SELECT max(row) FROM events WHERE type = '{_TYPE}' AND id IN ({marks}) GROUP BY id"
        for digest, at, data in db.execute(f"SELECT id, at, data FROM events WHERE row IN ({newest})", some):
            found[digest] = _loaded(digest, at, json.loads(data))
    return found


def beginning(db: Database, start: str, *, limit: int) -> list[str]:
    """Digests of policies that the log tells of and that begin so, at most *limit*."""
    sql = f"SELECT DISTINCT id FROM events WHERE type = '{_TYPE}' AND id >= ? AND id < ? ORDER BY id LIMIT ?"
    return [row[0] for row in db.execute(sql, [start, start + "\U0010ffff", limit])]


def _loaded(digest: str, at: int, told: Any) -> Loaded:
    """What an entry tells; a stranger may have written it."""
    held = {name: told.get(name) for name in ("config", "withheld", "rest", "capture")}
    config, withheld = (held[name] if isinstance(held[name], dict) else {} for name in ("config", "withheld"))
    names = {str(place): str(name) for place, name in withheld.items()}
    rest, capture = str(held["rest"] or ""), str(held["capture"] or "")
    return Loaded(digest, at, config, names, rest, capture, is_bound(told, digest))


def changes(before: Loaded, after: Loaded) -> list[ConfigChange]:
    """In which settings *after* differs from *before*, in the order in which it tells them."""
    was, now = dict(_settings(before)), dict(_settings(after))
    found = []
    for name in dict.fromkeys([*now, *was]):
        old, new = was.get(name), now.get(name)
        if old == new or _goes_without_saying(name, was, now):
            continue
        change: Changed = "removed" if name not in now else "changed" if name in was else "added"
        if isinstance(old, _Text) and isinstance(new, _Text) and old.may_be(new):
            change = "unclear"
        found.append(ConfigChange(name, _shown(old), _shown(new), change))
    if not found and before.rest != after.rest:
        found.append(ConfigChange("code, and texts that are not named here", None, None, "changed"))
    return found


def _goes_without_saying(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether other changes tell of this one: a rule came or went, and this is its default, or the order."""
    if name.endswith(" order"):
        old, new = (str(each.get(name)).split(", ") for each in (was, now))
        return [label for label in old if label in new] == [label for label in new if label in old]
    rule, _, setting = name.rpartition(".")
    is_whole = rule in was and rule in now
    value = was.get(name, now.get(name))
    return bool(rule) and not is_whole and setting in _PLAIN and _PLAIN[setting] == value


class _Text(str):
    """How much a private text is, and what the log calls it."""

    __slots__ = ()

    def may_be(self, other: _Text) -> bool:
        """Whether both may be the same: as much, and called so under different keys."""
        (size, _, name), (other_size, _, other_name) = self.partition(", "), other.partition(", ")
        return size == other_size and name.partition(":")[0] != other_name.partition(":")[0]


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, _Text) else value


def _settings(policy: Loaded) -> Iterator[tuple[str, Any]]:
    for name, value in policy.config.items():
        yield from _flat(name, value, f"/{name}", policy.withheld)


def _flat(name: str, value: Any, place: str, withheld: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """The settings in *value*, which is at *place*, each with its name."""
    if place in withheld:
        yield name, _Text(f"{value}, {withheld[place]}")
    elif isinstance(value, Mapping) and "verb" in value:
        yield name, value["verb"]
        for key in ("params", *(each for each in value if each not in ("verb", "validator", "params"))):
            inner = name if key == "params" else f"{name}.{key}"
            yield from _flat(inner, value.get(key), f"{place}/{key}", withheld)
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from _flat(f"{name}.{key}", held, f"{place}/{key}", withheld)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        labels = _labels(value)
        if len(labels) > 1:
            yield f"{name} order", ", ".join(labels)
        for at, (label, held) in enumerate(zip(labels, value, strict=True)):
            yield from _flat(f"{name} {label}", held, f"{place}/{at}", withheld)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value)) or None
    elif value is not None:
        yield name, value


def _labels(items: list[Any]) -> list[str]:
    """What each of *items* is called; a second one of the same name has a number."""
    seen: Counter[str] = Counter()
    labels = []
    for item in items:
        label = str(item.get("validator", item.get("name", "")))
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return labels
