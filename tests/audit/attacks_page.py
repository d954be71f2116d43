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

What somebody can do to a compliance log, to evidence of it and to its copy in a database, \
what they have to hold for that, and what finds it.
Every cell is tried by a test; *not found* is tried too, so that this page promises no more than there is.
[The log's format](log-format.md) has the words, [the security model](../explanation/security-model.md) \
whom we do not trust.

Two things have to be kept where the log's machine cannot change them: `keys/verify.key`, once, \
and the heads that `guardrails-lite log witness` and `AuditLog(witness=...)` hand out.
In bold: what takes something from elsewhere, or is not found at all.
"""

_LOG = """\
## A log's directory

What `guardrails-lite log verify` says, and its exit code: where no signature can be checked, \
with the key that lies beside the log, and with `--key` and `--heads` from elsewhere.
A log that is signed with HMAC and one that is signed with Ed25519 differ in L28 alone.
"""

_BUNDLE = """\
## An evidence bundle

What `guardrails-lite log check-bundle` says of it by itself, and with `--key` and `--head` from elsewhere.
The bundle's own `verify.py` is the same program, but whoever edits a bundle may replace that too.
"""

_DATABASE = """\
## A database that the log was shipped to

What `guardrails-lite log verify --db URL` says. The attacker may do all that the database's owner may.
The database is trusted with nothing: what it gives back is verified as a directory is, \
so what is found there is found here.
"""

_OTHER = """\
## What else has been tried
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
            _table(("id", "what somebody does", "holding", "found by", *states, "what is named"), log),
            _tried(TESTS[LOG]),
            _BUNDLE,
            _table(("id", "what somebody does", "found by", "by itself", states[2]), bundle),
            _tried(TESTS[BUNDLE]),
            _DATABASE,
            _table(("id", "what somebody does", "found"), database),
            _tried(TESTS[DATABASE]),
            _OTHER,
            _table(
                ("id", "what somebody does", "holding", "what stands against it", "how it ends", "tried by"),
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
