"""Which policies were in force when, what each says, and what two of one guard have decided differently.

A policy is named by its digest. The log tells its settings, where a guard of the process that wrote it had
them; an older log tells only which rules ran in each call, and what they did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from guardrails_lite._rates import wilson
from guardrails_lite.audit.index import Filter, Loaded, Policy, RuleUse, changes
from guardrails_lite.review._desk import Visit, plain
from guardrails_lite.review._view import View

_COLUMNS: Final = (
    *("kind", "name", "side", "action", "before_hits", "before_of", "before_low", "before_high"),
    *("after_hits", "after_of", "after_low", "after_high", "change", "before", "after"),
)


def page(visit: Visit) -> View:
    """All policies, what one of them says, and two compared: those of the address, else the newest."""
    policies = visit.index.policies()
    before, after = _chosen(visit, policies)
    told = visit.index.loaded(policy.digest for policy in policies)
    compared = _compared(visit, before, after, told) if before is not None and after is not None else None
    data: dict[str, Any] = {
        "policies": [{**plain(policy), "told": _standing(told.get(policy.digest))} for policy in policies],
        "says": _says(visit, policies, told),
        "compared": compared,
    }
    drawn = {
        "last": {(policy.guard, policy.digest): _last(policies, policy) for policy in policies},
        "choices": [policy for policy in policies if after is not None and policy.guard == after.guard],
    }
    rows = [[change.get(name) for name in _COLUMNS] for change in compared["changes"]] if compared else []
    return View("policies.html", "Policies", data, _COLUMNS, rows, drawn)


def _chosen(visit: Visit, policies: list[Policy]) -> tuple[Policy | None, Policy | None]:
    """The two to compare.

    Raises:
        LookupError: the guard has had no such policy.
    """
    if "after" not in visit.query:
        pairs = ((_last(policies, policy), policy) for policy in policies)
        return next(((last, policy) for last, policy in pairs if last is not None), (None, None))
    guard = visit.query.get("guard", "")
    held = {policy.digest: policy for policy in policies if policy.guard == guard}
    try:
        return held[visit.query.get("before", "")], held[visit.query["after"]]
    except KeyError:
        raise LookupError("This guard has had no such policy in this log.") from None


def _last(policies: list[Policy], policy: Policy) -> Policy | None:
    """The policy that its guard had before; where two overlapped, the one that ended earlier."""
    behind = policies[policies.index(policy) + 1 :]
    return next((one for one in behind if one.guard == policy.guard), None)


def _standing(told: Loaded | None) -> str:
    """Whether the log tells what a policy says; ``"forged"``: it is not what the digest names."""
    return "no" if told is None else "yes" if told.bound else "forged"


def _says(visit: Visit, policies: list[Policy], told: Mapping[str, Loaded]) -> dict[str, Any] | None:
    """What the policy of the address says, else the newest that the log tells of.

    Raises:
        LookupError: the log has no such policy.
    """
    digest = visit.query.get("says")
    if digest is None:
        digest = next((policy.digest for policy in policies if policy.digest in told), None)
        if digest is None:
            return None
    used = [policy for policy in policies if policy.digest == digest]
    if not used:
        raise LookupError("There has been no such policy in this log.")
    one = told.get(digest)
    return {
        "digest": digest,
        "told": _standing(one),
        "used": [plain(policy) for policy in used],
        "capture": one.capture if one is not None else "",
        "config": one.config if one is not None and one.bound else None,
        "settings": one.settings() if one is not None and one.bound else {},
    }


def _compared(visit: Visit, before: Policy, after: Policy, told: Mapping[str, Loaded]) -> dict[str, Any]:
    asked = [Filter(guard=one.guard, digest=one.digest) for one in (before, after)]
    uses = [{(use.rule, use.side): use for use in visit.index.rules(each)} for each in asked]
    ends = [visit.index.totals(each).outcomes for each in asked]
    known = all(policy.digest in told and told[policy.digest].bound for policy in (before, after))
    found = _setting_changes(told[before.digest], told[after.digest]) if known else []
    found += _decision_changes(visit, (before, after), uses)
    found += [_rule_change(key, *(use.get(key) for use in uses)) for key in sorted(uses[0].keys() | uses[1])]
    words = sorted(ends[0].keys() | ends[1], key=lambda word: -ends[0].get(word, 0) - ends[1].get(word, 0))
    for word in words:
        each = [(end.get(word, 0), policy.calls) for end, policy in zip(ends, (before, after), strict=True)]
        found.append(_change("outcome", word, *each))
    ends_of = {"before": plain(before), "after": plain(after)}
    return {"guard": after.guard, **ends_of, "settings_known": known, "changes": found}


def _setting_changes(before: Loaded, after: Loaded) -> list[dict[str, Any]]:
    """In which settings the two differ."""
    return [
        {
            "kind": "setting",
            "name": each.setting,
            "before": each.before,
            "after": each.after,
            "change": each.change,
        }
        for each in changes(before, after)
    ]


def _decision_changes(
    visit: Visit, policies: tuple[Policy, Policy], uses: list[dict[tuple[str, str], RuleUse]]
) -> list[dict[str, Any]]:
    """In which share of all calls each rule did what; a policy that has not the rule has no share of it."""
    told = []
    for policy in policies:
        made = visit.index.decisions(Filter(guard=policy.guard, digest=policy.digest))
        told.append({(one.rule, one.side, one.action): one.calls for one in made})
    found = []
    for key in sorted(told[0].keys() | told[1]):
        rule, side, action = key
        each = [
            (made.get(key, 0), policy.calls) if not rule or (rule, side) in use else None
            for made, policy, use in zip(told, policies, uses, strict=True)
        ]
        found.append(_change("decision", rule, *each, side=side, action=action))
    return found


def _rule_change(key: tuple[str, str], before: RuleUse | None, after: RuleUse | None) -> dict[str, Any]:
    each = [(use.found, use.checks - use.not_run) if use is not None else None for use in (before, after)]
    return _change("rule", key[0], *each, side=key[1])


def _change(
    kind: str,
    name: str,
    before: tuple[int, int] | None,
    after: tuple[int, int] | None,
    *,
    side: str = "",
    action: str = "",
) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": kind, "name": name, "side": side, "action": action}
    told["change"] = _word(before, after)
    for prefix, each in (("before", before), ("after", after)):
        told |= _numbers(prefix, each)
    return told


def _numbers(prefix: str, each: tuple[int, int] | None) -> Mapping[str, Any]:
    hits, of = each if each is not None else (None, None)
    low, high = (wilson(*each) if each is not None else None) or (None, None)
    share = hits / of if hits is not None and of else None
    told = {"hits": hits, "of": of, "share": share, "low": low, "high": high}
    return {f"{prefix}_{name}": value for name, value in told.items()}


def _word(before: tuple[int, int] | None, after: tuple[int, int] | None) -> str:
    """How a share changed: ``more`` and ``less`` only where the two 95 % intervals do not touch."""
    if before is None or after is None:
        return "added" if before is None else "removed"
    was, now = wilson(*before), wilson(*after)
    if was is None or now is None:
        return "unclear"
    return _apart(was, now)


def _apart(was: Iterable[float], now: Iterable[float]) -> str:
    (was_low, was_high), (now_low, now_high) = was, now
    return "more" if now_low > was_high else "less" if now_high < was_low else "unclear"
