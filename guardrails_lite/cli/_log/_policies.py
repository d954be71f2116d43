"""Policies: which were in force, what one says, and how two differ."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._counts import counted
from guardrails_lite._policy import rules_of
from guardrails_lite.cli._log._action import index_of
from guardrails_lite.cli._terminal import print_json, print_table, safe

if TYPE_CHECKING:
    from guardrails_lite.audit.index import Index, Loaded, Policy
    from guardrails_lite.audit.postgres import ShippedIndex

POLICY: Final = "policy:"
"""The prefix that tells a digest from a call's id."""


def list_policies(arguments: argparse.Namespace) -> int:
    """Print which policies were in force, newest first."""
    with index_of(arguments) as index:
        policies = index.policies(limit=1_000)
        told = index.loaded(policy.digest for policy in policies)
    if arguments.json:
        print_json([{**asdict(policy), **_config(told.get(policy.digest))} for policy in policies])
        return 0
    head = ("guard", "policy", "first hour", "last hour", "calls", "blocked", "USD", "rules")
    rows = [_row(policy, told.get(policy.digest)) for policy in policies]
    print_table(head, rows, empty="no calls, and so no policies")
    return 0


def _config(told: Loaded | None) -> dict[str, Any]:
    return {"config": told.config if told is not None and told.bound else None}


def _hour(ns: int) -> str:
    """A time to the hour: more is not known of when a policy was in force."""
    from guardrails_lite.cli._log._calls import shown_time

    return shown_time(ns)[: len("2026-11-27 10:00")]


def _row(policy: Policy, told: Loaded | None) -> tuple[object, ...]:
    rules: object = "not told" if told is None else "forged"
    if told is not None and told.bound:
        rules = sum(len(rules_of(told.config, side)) for side in ("input", "output"))
    times = (_hour(policy.first), _hour(policy.last))
    digest = policy.digest[:12] or "-"
    return (
        policy.guard or "-",
        digest,
        *times,
        policy.calls,
        policy.blocked,
        f"{policy.cost_usd:.6f}",
        rules,
    )


def show_policy(arguments: argparse.Namespace) -> int:
    """Print a policy, or how it differs from another. Exits with 2 if it does not match its digest."""
    from guardrails_lite.audit.index import changes

    with index_of(arguments) as index:
        one = the_policy(index, arguments.id.removeprefix(POLICY))
        against = arguments.against
        other = the_policy(index, against.removeprefix(POLICY)) if against is not None else None
        used = [policy for policy in index.policies(limit=1_000) if policy.digest == one.digest]
    forged = not one.bound or (other is not None and not other.bound)
    if other is not None:
        found = changes(other, one)
        if arguments.json:
            told = {"before": other.digest, "after": one.digest, "bound": not forged}
            print_json({**told, "changes": [asdict(each) for each in found]})
        else:
            head = ("setting", "before", "after", "change")
            rows = [(c.setting, _cell(c.before), _cell(c.after), c.change) for c in found]
            print_table(head, rows, empty="no setting differs")
    elif arguments.json:
        print_json({**asdict(one), "used": [asdict(policy) for policy in used]})
    else:
        _print(one, used)
    if forged:
        print("these settings do not match the digest: `guardrails-lite log verify` says where they are")
    return 2 if forged else 0


def _print(one: Loaded, used: list[Policy]) -> None:
    print(f"{'policy:':10}{safe(one.digest)}")
    for policy in used:
        span = f"in the hours from {_hour(policy.first)} to {_hour(policy.last)}"
        print(f"{'guard:':10}{safe(policy.guard or '-')}, {counted(policy.calls, 'call')}, {span}")
    print(f"{'captured:':10}{safe(one.capture)}\n")
    print_table(("setting", "value"), [(name, _cell(value)) for name, value in one.settings().items()])


def _cell(value: object) -> object:
    return "-" if value is None else value


def the_policy(index: Index | ShippedIndex, beginning: str) -> Loaded:
    """The one policy whose digest begins with *beginning*, as the log describes it.

    Raises:
        LookupError: there is none, or there are several.
    """
    found = index.find_policies(beginning)
    if len(found) != 1:
        which = (
            "several policies have a digest that begins" if found else "no policy has a digest that begins"
        )
        raise LookupError(
            f"{which} with {beginning!r}; `guardrails-lite log rules DIR --policies` lists them"
        )
    return index.loaded(found)[found[0]]
