"""What the log does for people: find what is about them, show it, restrict it, hold it, forget it.

Each of these is itself an entry of the log, so that a data-protection officer can show that it was done, by
whom and why. None of them changes an entry: after an erasure every proof still holds.

What destroys texts looks first whether a hold or a restriction forbids it. So that none can come in between,
the two take turns, in all processes: one that is placed first is heeded, and the other is placed afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._content import Content, Form, Texts, content_of
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit._turn import refuse_in_turn, turn

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog


def find_subject(log: AuditLog, value: str, *, kind: str = "user") -> Iterator[Entry]:
    """The completed calls of the person *value*, whom the log knows by pseudonym only."""
    names = set(log.pseudonyms_of(kind, value))
    for entry in log.records():
        who = entry.data.get("who")
        if isinstance(who, dict) and who.get(kind) in names:
            yield entry


def reveal(log: AuditLog, call: str, *, reader: str, reason: str, texts: Form = "redacted") -> Texts:
    """The captured texts of the call with the id *call*. Reading them is recorded first, and in which form.

    What the model said comes with what it asked tools to do: of a tool call the arguments are the text.

    Args:
        log: The log, opened.
        call: The call's id, whole.
        reader: Who reads.
        reason: Why: a ticket, a complaint. It goes into the log as it is.
        texts: ``"redacted"``: as the rules left them, nothing of a side that they stopped. ``"original"``: as
            they were said, before any rule, with tool calls that were refused; only a log with
            ``capture="sealed"`` has them.

    Raises:
        LookupError: there is no such call, nothing was captured in this form, or it was erased (`Erased`).
        ConfigError: *reader* or *reason* is empty, *texts* is no form of them, or what is about the person is
            restricted.
    """
    check_form("reveal", texts)
    if not reader or not reason:
        raise ConfigError("reveal(...) needs reader= and reason=: opening captured text is itself recorded")
    for entry in log.records():
        if entry.id == call:
            content = content_of(entry.data)
            if not (content.kept if texts == "redacted" else content.has_originals):
                raise LookupError(f"call {call} has {_nothing(content, texts)}")
            restriction = restricts(entry, restrictions(log))
            if restriction is not None:
                raise ConfigError(
                    f"the data about this person is under restriction {restriction}: it is kept but must not "
                    "be read; lift the restriction first"
                )
            log.event("log.read", {"call": call, "reader": reader, "reason": reason, "texts": texts})
            kept = log.vault.take(call, content.kept) if content.kept is not None else ()
            if texts == "redacted":
                return kept
            return log.vault.take_originals(call, content, kept)
    raise LookupError(f"no call {call} in {str(log.directory)!r}")


def check_form(call: str, texts: str) -> None:
    """Whether *texts* names a form of them.

    Raises:
        ConfigError: it does not.
    """
    if texts not in ("redacted", "original"):
        raise ConfigError(
            f"{call}(texts={texts!r}): expected 'redacted', as the rules left them, or 'original', as they "
            "were before any rule"
        )


def _nothing(content: Content, texts: Form) -> str:
    if texts == "original":
        return (
            "no originals: only a log with capture='sealed' keeps them. Omit texts='original' (log reveal "
            "--original) to read what the rules left"
        )
    if content.has_originals:
        return (
            "no text that the rules left: they stopped all of it. texts='original' (log reveal --original) "
            "opens the original"
        )
    return "no captured text: the log's capture level was 'metadata', or a rule stopped all of the text"


def hold(log: AuditLog, value: str, *, owner: str, reason: str, kind: str = "user") -> str:
    """Place a legal hold on a person: until it is released nothing of theirs is erased. Its id.

    What is being erased, expired or repaired meanwhile, in any process, is done with when this returns.
    """
    names = log.pseudonyms_of(kind, value)
    with holds_as_they_are(log):
        return log.event("hold.placed", {"subjects": names, "owner": owner, "reason": reason})


def release(log: AuditLog, hold_id: str, *, owner: str, reason: str) -> None:
    """Release the hold *hold_id*.

    Raises:
        LookupError: no such hold is in force.
    """
    if hold_id not in holds(log):
        raise LookupError(f"no hold {hold_id} is in force in {str(log.directory)!r}")
    log.event("hold.released", {"hold": hold_id, "owner": owner, "reason": reason})


def holds(log: AuditLog) -> dict[str, Entry]:
    """The holds in force, by id."""
    return _in_force(log, "hold.placed", "hold.released")


def restrict(
    log: AuditLog, value: str, *, request: str, basis: str, owner: str = "", kind: str = "user"
) -> str:
    """Restrict what is about a person: it is kept, and until it is lifted nobody reads it. Its id.

    Retention keeps it too, for the person may need it; an erasure is still possible.

    Args:
        request: Names the request, for the receipt.
        basis: The legal basis, such as ``"GDPR 18(1)(a)"``.
        owner: Who places it; empty: the entry names nobody.
    """
    names = log.pseudonyms_of(kind, value)
    told = {"subjects": names, "request": request, "basis": basis}
    with holds_as_they_are(log):
        return log.event("restriction.placed", told | _owned(owner))


def lift(log: AuditLog, restriction_id: str, *, owner: str, reason: str) -> None:
    """Lift the restriction *restriction_id*.

    Raises:
        LookupError: no such restriction is in force.
    """
    if restriction_id not in restrictions(log):
        raise LookupError(f"no restriction {restriction_id} is in force in {str(log.directory)!r}")
    log.event("restriction.lifted", {"restriction": restriction_id, "owner": owner, "reason": reason})


def restrictions(log: AuditLog) -> dict[str, Entry]:
    """The restrictions in force, by id."""
    return _in_force(log, "restriction.placed", "restriction.lifted")


def erase(log: AuditLog, value: str, *, request: str, basis: str, owner: str = "", kind: str = "user") -> int:
    """Destroy the keys of a person's captured texts, and record it. How many keys there were.

    The entries stay, under a pseudonym; their commitments can no longer be opened by anybody.

    Args:
        request: Names the request, for the receipt.
        basis: The legal basis, for the receipt.
        owner: Who does it; empty: the entry names nobody.

    Raises:
        ConfigError: the person is under a legal hold, which beats erasure.
        LogUnavailable: the log cannot be written; nothing was destroyed.
    """
    names = log.pseudonyms_of(kind, value)
    with holds_as_they_are(log):
        for hold_id, entry in holds(log).items():
            if subjects_of(entry) & set(names):
                raise ConfigError(
                    f"the person is under legal hold {hold_id}; release it first, or refuse the request"
                )
        log._writer.make_ready()  # what could not be recorded is not destroyed
        count = log.vault.erase(names)
        told = {"subjects": names, "keys": count, "request": request, "basis": basis}
        log.event("erasure", told | _owned(owner))
    return count


@contextlib.contextmanager
def holds_as_they_are(log: AuditLog) -> Iterator[None]:
    """Let nobody place a hold or a restriction meanwhile, or destroy what one may be about.

    Raises:
        ConfigError: it is asked for in a callback, while this thread does one of these or has the registry.
    """
    refuse_in_turn(log._registry.lock_path)
    with turn(holds_lock(log.directory)):
        yield


def holds_lock(directory: Path) -> Path:
    """The lock file of the log in *directory* that `holds_as_they_are` holds."""
    return directory / "holds.lock"


def _owned(owner: str) -> dict[str, str]:
    return {"owner": owner} if owner else {}


def _in_force(log: AuditLog, placed: str, ended: str) -> dict[str, Entry]:
    """The entries of the kind *placed* that none of the kind *ended* names."""
    found: dict[str, Entry] = {}
    named = placed.partition(".")[0]
    for entry in log.records(None):
        if entry.type == placed:
            found[entry.id] = entry
        elif entry.type == ended:
            found.pop(str(entry.data.get(named)), None)
    return found


def restricts(call: Entry, placed: dict[str, Entry]) -> str | None:
    """Which of the entries *placed* is about somebody in *call*; None where none is."""
    who = call.data.get("who")
    names = set(map(str, who.values())) if isinstance(who, dict) else set()
    return next((ident for ident, entry in placed.items() if names & subjects_of(entry)), None)


def subjects_of(entry: Entry) -> set[str]:
    """The pseudonyms that an entry about a person names."""
    found = entry.data.get("subjects")
    return set(map(str, found)) if isinstance(found, list) else set()
