"""Which rules of a guard another policy had too, by what the log tells of that policy.

A rule whose texts are private is called ``block(keywords(words=3))`` in records, and so is one with three
others. The log names withheld texts by a keyed digest. So whoever has the texts, and the log's key, can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._policy import is_bound, rules_of
from guardrails_lite._rules import finder_of

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard
    from guardrails_lite.audit._log import AuditLog

_SIDES: Final = ("input", "output")
_FINDS: Final = ("validator", "params", "version", "kind", "window")
"""What a rule's validator is told by."""


class Alike:
    """The private rules of *guard*, and the policies that *log* tells of."""

    def __init__(self, log: AuditLog, guard: Guard[Any]) -> None:
        policy = guard._decides_by()
        self._mine: list[tuple[str, Mapping[str, Any], dict[str, frozenset[str]]]] = []
        for side, rules in (("input", guard._plan.input.rules), ("output", guard._plan.output.rules)):
            for at, rule in enumerate(rules):
                names = {
                    name: frozenset(
                        log.pseudonyms_of("withheld", policy.withheld[f"/{side}/{at}/params/{name}"])
                    )
                    for name in rule.validator.private or ()
                }
                if names:
                    self._mine.append((finder_of(rule.told), policy.config[side][at], names))
        told = log.records("policy.loaded") if self._mine else ()
        self._told = {entry.id: entry.data for entry in told if is_bound(entry.data, entry.id)}

    def rules(self, digest: str) -> frozenset[str]:
        """What each private rule finds by that the policy of *digest* had, whatever it did with it."""
        told = self._told.get(digest)
        if told is None:
            return frozenset()
        return frozenset(finder for finder, rule, names in self._mine if _has(told, rule, names))


def _has(told: Mapping[str, Any], mine: Mapping[str, Any], names: Mapping[str, frozenset[str]]) -> bool:
    """Whether the policy has the rule, and none that records call the same and that has other texts."""
    held = told.get("withheld")
    withheld = held if isinstance(held, Mapping) else {}
    theirs = [
        [str(withheld.get(f"/{side}/{at}/params/{name}")) in mine_too for name, mine_too in names.items()]
        for side in _SIDES
        for at, rule in enumerate(rules_of(told.get("config"), side))
        if all(rule.get(part) == mine[part] for part in _FINDS)
    ]
    return bool(theirs) and all(all(each) for each in theirs)
