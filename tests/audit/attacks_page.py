"""Write `docs/reference/attacks.md`: what can be done to a log and its copies, and what finds it.

``python -m tests.audit.attacks_page`` writes it anew; a test keeps it in step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from guardrails_lite.audit._verify import EXIT_CODES
from tests.audit.attacks import LOG
from tests.audit.attacks_on_copies import BUNDLE, DATABASE, OTHER

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "attacks.md"

TESTS = {
    LOG: "tests/audit/test_attacks.py::test_what_finds_it",
    BUNDLE: "tests/audit/test_bundle.py::test_what_finds_it",
    DATABASE: "tests/postgres/test_ship.py::test_what_the_database_changes_is_found",
}
"""Which test tries each row of a table."""

_HEAD = """\
# Attacks

<!-- written by tests/audit/attacks_page.py -->

This page lists what an attacker can do to a compliance log, to evidence from it and to its copy in a \
database, \
what access that takes, and what finds it.
A test tries every cell, *not found* included, so this page promises no more than the log delivers.
[The log's format](log-format.md) explains the terms, and [the security \
model](../explanation/security-model.md) \
whom we do not trust.

Keep two things where the log's machine cannot change them: `keys/verify.key`, once, \
and the heads that `guardrails-lite log witness` and `AuditLog(witness=...)` hand out.
Bold marks an attack that only something kept elsewhere reveals, or that nothing reveals.
"""

_LOG = """\
## A log's directory

The columns show what `guardrails-lite log verify` says, with its exit code, in three cases: \
when no signature can be checked, with the key stored beside the log, and with `--key` and `--heads` kept \
elsewhere.
Logs signed with HMAC and with Ed25519 differ only in L28.
"""

_BUNDLE = """\
## An evidence bundle

The columns show what `guardrails-lite log check-bundle` says by itself, and with `--key` and `--head` \
kept elsewhere.
The bundle's own `verify.py` is the same program, but whoever edits a bundle can replace that too.
"""

_DATABASE = """\
## A database that the log was shipped to

The last column shows what `guardrails-lite log verify --db URL` says.
The attacker can do anything that the database's owner can.
The database is not trusted: what it returns is verified like a directory, so whatever is found there is \
found here.
"""

_OTHER = """\
## Other attacks
"""


def page() -> str:
    """The whole page."""
    log = [(a.id, a.what, a.needs, _found(a.finds), *map(_cell, a.states), a.named) for a in LOG]
    bundle = [(a.id, a.what, _found(a.finds), *map(_cell, a.states)) for a in BUNDLE]
    database = [(a.id, a.what, _cell(a.state)) for a in DATABASE]
    other = [
        (a.id, a.what, a.needs, _found(a.finds), a.ends, ", ".join(f"`{test}`" for test in a.tests))
        for a in OTHER
    ]
    states = ("hashes alone", "with the log's own key", "with what was kept elsewhere")
    return "\n".join(
        [
            _HEAD,
            _LOG,
            _table(("id", "what the attacker does", "with", "found by", *states, "what is named"), log),
            _tried(TESTS[LOG]),
            _BUNDLE,
            _table(("id", "what the attacker does", "found by", "by itself", states[2]), bundle),
            _tried(TESTS[BUNDLE]),
            _DATABASE,
            _table(("id", "what the attacker does", "found"), database),
            _tried(TESTS[DATABASE]),
            _OTHER,
            _table(
                ("id", "what the attacker does", "with", "defence", "how it ends", "tried by"),
                other,
            ),
        ]
    )


def _cell(state: str) -> str:
    return "*not found* (0)" if state == "intact" else f"{state} ({EXIT_CODES[state]})"  # type: ignore[index]


def _found(by: str) -> str:
    return f"**{by}**" if "elsewhere" in by or by.startswith("nothing") else by


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tried(test: str) -> str:
    return f"Tried by `{test}`, whose cases begin with the row's id.\n"


if __name__ == "__main__":
    PAGE.write_text(page())
