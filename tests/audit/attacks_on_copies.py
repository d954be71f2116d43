"""What can be done to evidence of a log and to its copy in a database, and what has tests of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from tests.audit import forger
from tests.audit.attacks import FILES, VICTIM


@dataclass(frozen=True, slots=True)
class Evidence:
    """Bundles, unpacked: the one in question, an earlier one of the same log, one of another log."""

    folder: Path
    earlier: Path
    other: Path


@dataclass(frozen=True, slots=True)
class BundleAttack:
    """One thing that is done to an evidence bundle, and what its verifier says of it."""

    id: str
    what: str
    finds: str
    do: Callable[[Evidence], None]
    states: tuple[str, str]
    """By itself; with the key and the newest head that were kept elsewhere."""


@dataclass(frozen=True, slots=True)
class DatabaseAttack:
    """One statement over what was shipped, and what `verify` says of what comes back."""

    id: str
    what: str
    state: str
    sql: str


@dataclass(frozen=True, slots=True)
class OtherAttack:
    """What has tests of its own, and how it ends."""

    id: str
    what: str
    needs: str
    finds: str
    ends: str
    tests: tuple[str, ...]


def _edit(change: forger.Edit) -> Callable[[Evidence], None]:
    return lambda evidence: forger.edit(evidence.folder, change)


def _drop_stream(evidence: Evidence) -> None:
    shutil.rmtree(forger.segment(evidence.folder).parent)


def _drop_listing(evidence: Evidence) -> None:
    path = evidence.folder / "manifest.json"
    told = json.loads(path.read_bytes())
    told["files"].popitem()
    path.write_text(json.dumps(told))


def _cut_registry(evidence: Evidence) -> None:
    forger.edit_file(evidence.folder / "registry.jsonl", lambda lines: lines[:-2])


def _add_file(evidence: Evidence) -> None:
    (evidence.folder / "streams" / "more.jsonl").write_text("{}\n")


def _edit_readme(evidence: Evidence) -> None:
    path = evidence.folder / "README.txt"
    path.write_text(path.read_text().replace("reads every byte", "believes every byte"))


def _edit_readme_and_manifest(evidence: Evidence) -> None:
    _edit_readme(evidence)
    raw = (evidence.folder / "README.txt").read_bytes()
    path = evidence.folder / "manifest.json"
    told = json.loads(path.read_bytes())
    told["files"]["README.txt"] = {"bytes": len(raw), "sha256": sha256(raw).hexdigest()}
    path.write_text(json.dumps(told, indent=1) + "\n")


def _replace_verifier(evidence: Evidence) -> None:
    path = evidence.folder / "verify.py"
    path.write_text("print('intact: all is well')\nraise SystemExit\n" + path.read_text())


def _replace_key(evidence: Evidence) -> None:
    path = evidence.folder / "verify.key"
    path.write_text(path.read_text().replace("ed25519 ", "hmac-sha256 "))


TAMPERED: Final = ("tampered", "tampered")
TRUNCATED: Final = ("truncated", "truncated")

BUNDLE: Final = (
    BundleAttack("E01", "flips one bit of an entry", "chain", _edit(forger.flip(VICTIM)), TAMPERED),
    BundleAttack("E02", "removes an entry", "chain", _edit(forger.delete(VICTIM)), TAMPERED),
    BundleAttack("E03", "swaps two entries", "chain", _edit(forger.swap(VICTIM)), TAMPERED),
    BundleAttack("E04", "repeats an entry", "chain", _edit(forger.duplicate(VICTIM)), TAMPERED),
    BundleAttack("E05", "inserts an entry", "chain", _edit(forger.insert(VICTIM)), TAMPERED),
    BundleAttack(
        "E06",
        "changes a decision and computes every later hash anew",
        "manifest; checkpoint",
        _edit(forger.rewrite(VICTIM)),
        TAMPERED,
    ),
    BundleAttack(
        "E07",
        "… and signs it anew",
        "manifest; signature",
        _edit(forger.rewrite(VICTIM, own_key=True)),
        TAMPERED,
    ),
    BundleAttack("E08", "cuts a stream", "manifest; registry", _edit(forger.keep(VICTIM)), TRUNCATED),
    BundleAttack(
        "E09", "cuts it at a checkpoint", "manifest; registry", _edit(forger.keep_to_checkpoint(0)), TRUNCATED
    ),
    BundleAttack("E10", "removes a stream", "manifest; registry", _drop_stream, TRUNCATED),
    BundleAttack("E11", "takes a file off the manifest", "registry", _drop_listing, TAMPERED),
    BundleAttack("E12", "cuts the registry", "manifest's entry in it", _cut_registry, TAMPERED),
    BundleAttack("E13", "adds a file", "manifest", _add_file, TAMPERED),
    BundleAttack("E14", "edits README.txt", "manifest", _edit_readme, TAMPERED),
    BundleAttack("E15", "… and the manifest to match", "registry", _edit_readme_and_manifest, TAMPERED),
    BundleAttack("E16", "replaces verify.key", "registry", _replace_key, TAMPERED),
    BundleAttack(
        "E17",
        "replaces verify.py by one that says all is well",
        "manifest, by a verifier from elsewhere",
        _replace_verifier,
        TAMPERED,
    ),
    BundleAttack(
        "E18",
        "passes an earlier bundle off as the newest",
        "head kept elsewhere",
        lambda evidence: forger.restore(evidence.earlier, evidence.folder),
        ("intact", "truncated"),
    ),
    BundleAttack(
        "E19",
        "passes a bundle of another log off as this one's",
        "key kept elsewhere; head kept elsewhere",
        lambda evidence: forger.restore(evidence.other, evidence.folder),
        ("intact", "tampered"),
    ),
)

DATABASE: Final = (
    DatabaseAttack(
        "D01",
        "changes one byte of what was shipped",
        "tampered",
        "UPDATE pieces SET bytes = set_byte(bytes, 4000, 33) WHERE path LIKE 'streams/%' AND at = 0",
    ),
    DatabaseAttack(
        "D02",
        "removes the bytes of a segment",
        "truncated",
        "DELETE FROM pieces WHERE path LIKE 'streams/%'",
    ),
    DatabaseAttack("D03", "removes a segment", "truncated", "DELETE FROM files WHERE path LIKE 'streams/%'"),
    DatabaseAttack(
        "D04",
        "says that a segment is shorter",
        "truncated",
        "UPDATE files SET size = size - 200 WHERE path LIKE 'streams/%'",
    ),
    DatabaseAttack("D05", "removes log.json", "unreadable", "DELETE FROM files WHERE path = 'log.json'"),
)

_ATTACKS: Final = "tests/audit/test_attacks.py"
_FUZZ: Final = "tests/audit/test_bundle_fuzz.py"
_TAKEN: Final = "tests/cli/test_taken_files.py"
_DESK: Final = "tests/review/test_attacks.py"
_DOOR: Final = "tests/review/test_door.py"
_SHIP: Final = "tests/postgres/test_ship.py"

OTHER: Final = (
    OtherAttack(
        "X01",
        "flips any one bit of a closed stream",
        FILES,
        "chain; checkpoint; signature",
        "tampered or truncated (2, 3), and the entry is named",
        (f"{_ATTACKS}::test_every_byte_of_a_stream_matters",),
    ),
    OtherAttack(
        "X02",
        "flips any one bit of the registry or of log.json",
        FILES,
        "chain; signature; registry",
        "tampered, truncated or unreadable (2, 3, 5)",
        (f"{_ATTACKS}::test_every_byte_of_the_registry_matters",),
    ),
    OtherAttack(
        "X03",
        "puts a value of another type, or half a character, anywhere in a line",
        FILES,
        "chain",
        "reported as ordinary damage; no value makes the verifier raise",
        (f"{_ATTACKS}::test_no_value_makes_the_verifier_raise",),
    ),
    OtherAttack(
        "X04",
        "edits what a killed process left, after the next process has recorded where it stopped",
        FILES,
        "registry",
        "tampered (2), even in the unfinished line",
        ("tests/audit/test_crash.py::test_what_was_recovered_cannot_change",),
    ),
    OtherAttack(
        "X05",
        "edits an entry and waits until retention would remove it",
        FILES,
        "chain, before anything goes",
        "what does not verify stays; `log expire` exits with 2",
        (
            "tests/audit/test_retention.py::test_what_does_not_verify_stays",
            "tests/audit/test_retention.py::test_nothing_goes_while_the_registry_does_not_verify",
        ),
    ),
    OtherAttack(
        "X06",
        "removes a segment, as if retention had",
        FILES,
        "registry, which has no entry for it",
        "tampered or truncated (2, 3)",
        ("tests/audit/test_retention.py::test_a_segment_removed_by_hand_is_found",),
    ),
    OtherAttack(
        "X07",
        "changes a kept text, or swaps one for another",
        FILES,
        "authenticated encryption, bound to the call",
        "the text cannot be opened",
        ("tests/audit/test_privacy.py::test_a_changed_box_is_refused",),
    ),
    OtherAttack(
        "X08",
        "changes a proof of one call, or the call in it",
        "the proof",
        "inclusion proof; signature",
        "does not hold (2)",
        ("tests/audit/test_proof.py::test_a_changed_proof_does_not_hold",),
    ),
    OtherAttack(
        "X09",
        "changes rows of index.sqlite",
        FILES,
        "nothing: the index is derived and is not verified",
        "lists and totals are wrong until it is rebuilt; `show` reads the log itself",
        ("tests/audit/test_index.py::test_a_forged_row_is_no_record",),
    ),
    OtherAttack(
        "X10",
        "ships a cut or changed log over a better copy",
        "the files, the database",
        "the bytes already there",
        "nothing is sent; `log ship` exits with 3 or 2",
        (f"{_SHIP}::test_a_log_that_was_cut_or_changed_is_not_shipped_over_the_better_copy",),
    ),
    OtherAttack(
        "X11",
        "writes markup, control characters or direction marks into what is logged",
        "a request to the guarded program",
        "every place where a record is shown",
        "they come out as their numbers",
        ("tests/cli/test_log.py::test_hostile_text_in_a_record_cannot_steer_the_terminal",),
    ),
    OtherAttack(
        "X12",
        "damages a bundle, its zip file, its members or any value in it, at random",
        "the bundle",
        "the zip file's checksums; manifest; chain; signature",
        "a documented state; intact only if every member is unchanged",
        (
            f"{_FUZZ}::test_no_changed_content_is_intact",
            f"{_FUZZ}::test_what_is_no_json_is_no_evidence",
        ),
    ),
    OtherAttack(
        "X13",
        "makes a bundle that unpacks to more than fits into memory",
        "the bundle",
        "limits on a text and on a line",
        "tampered or unreadable (2, 5)",
        (f"{_FUZZ}::test_a_bomb_fills_no_memory",),
    ),
    OtherAttack(
        "X14",
        "writes a formula into what is logged, plain, in full-width characters, or after a semicolon",
        "a request to the guarded program",
        "every cell of a CSV that is exported, or taken from the review desk",
        "it stays text, and terminal control characters come out as their numbers",
        (f"{_TAKEN}::test_a_cell_is_only_text",),
    ),
    OtherAttack(
        "X15",
        "has an export, a bundle or a proof written over a file, through a link, or into the log itself",
        "the command line, or the place that it writes to",
        "only new files outside the log; the name is claimed before anything is written",
        "refused (2, 5); what was there is unchanged",
        (
            f"{_TAKEN}::test_nothing_is_written_over",
            f"{_TAKEN}::test_nothing_is_written_into_the_log",
            f"{_TAKEN}::test_who_was_there_first_keeps_the_name",
        ),
    ),
    OtherAttack(
        "X16",
        "interrupts or kills an export, so that a part passes for the whole",
        "a signal",
        "the file gets its name only once it is complete and durable",
        "no file, or an empty one after a kill",
        (f"{_TAKEN}::test_half_a_file_never_has_the_name",),
    ),
    OtherAttack(
        "X17",
        "removes records and has `log repair` overwrite their texts, as texts without a record",
        "write access to the files",
        "chain; registry, before anything goes",
        "nothing is overwritten; `log repair` exits with what `verify` says",
        ("tests/audit/test_strays.py::test_the_texts_of_records_that_somebody_removed_stay",),
    ),
    OtherAttack(
        "X18",
        "gives a second verdict under another spelling of their own name",
        "the command line, or two tokens",
        "names that differ only in case, width, blanks or invisible characters count as one reviewer",
        "the finding stays open",
        (
            "tests/review/test_queue.py::test_one_person_is_one_reviewer_however_spelled",
            "tests/cli/test_log_review.py::test_one_person_in_two_spellings_does_not_settle",
        ),
    ),
    OtherAttack(
        "X19",
        "decides, or takes a verdict back, in somebody else's name",
        "write access to the files",
        "nothing at the command line; at the review desk, a token for each reviewer",
        "the verdict counts as theirs",
        ("tests/cli/test_log_review.py::test_at_the_command_line_a_name_is_taken_on_trust",),
    ),
    OtherAttack(
        "X20",
        "looks at another reviewer's verdict before giving their own",
        "the review desk, if two have to agree",
        "every page of the desk; nothing, if they can read the log itself",
        "it is hidden until they have given their own",
        ("tests/review/test_queue.py::test_two_have_to_agree",),
    ),
    OtherAttack(
        "X21",
        "has a reviewer's browser post a form of the desk, or reach it under another name",
        "a web page that the reviewer opens",
        "a value that only this session's pages know; the names that the desk answers to",
        "refused (403, 421)",
        (
            f"{_DOOR}::test_another_page_cannot_post_a_form",
            f"{_DOOR}::test_no_form_is_taken_from_elsewhere",
            f"{_DOOR}::test_the_desk_answers_to_its_own_names",
        ),
    ),
    OtherAttack(
        "X22",
        "signs a reviewer in under another name, so that verdicts are given in that name (login CSRF)",
        "a token of their own; a web page that the reviewer opens",
        "what the browser says of the page that sent the form",
        "refused (403); no cookie is set",
        (
            f"{_DESK}::test_no_page_signs_a_reviewer_in_under_another_name",
            f"{_DESK}::test_a_browser_is_not_signed_in_by_another_page",
        ),
    ),
    OtherAttack(
        "X23",
        "shows the desk inside a page of their own, to have its buttons clicked or its answers measured",
        "a web page that the reviewer opens",
        "headers of every answer, failures too; what the browser says of the page that asked",
        "no frame, picture or script of another page gets an answer",
        (
            f"{_DESK}::test_a_link_to_the_desk_may_be_anywhere",
            f"{_DESK}::test_every_answer_forbids_frames_and_caches",
            f"{_DESK}::test_a_failure_of_the_desk_says_nothing_and_forbids_the_same",
        ),
    ),
    OtherAttack(
        "X24",
        "looks for kept texts in a browser in which somebody read them",
        "the browser, later",
        "no cache, neither the browser's nor the scripts'",
        "going back shows the call without its texts",
        (f"{_DESK}::test_no_text_stays_in_the_browser",),
    ),
    OtherAttack(
        "X25",
        "sends a reviewer a link to the door that leads elsewhere, or adds a header to its answer",
        "a link that the reviewer follows",
        "only addresses of the desk are followed, and none is sent unescaped",
        "the reviewer comes to a page of the desk",
        (f"{_DESK}::test_no_address_leads_away_or_adds_a_header",),
    ),
    OtherAttack(
        "X26",
        "fills the log from the desk's forms with long notes and reasons",
        "a token",
        "a limit of 500 characters each",
        "refused (409); nothing is written",
        (f"{_DESK}::test_nobody_fills_the_log_with_a_form",),
    ),
    OtherAttack(
        "X27",
        "writes markup into any field of a record, a verdict, a hold, an alert or another entry",
        "a request to the guarded program, or a token",
        "every page of the desk; the browser, which is told to run nothing else",
        "it is shown as text",
        (
            f"{_DESK}::test_no_field_of_any_entry_runs",
            f"{_DESK}::test_no_field_of_any_entry_runs_in_a_browser",
        ),
    ),
    OtherAttack(
        "X28",
        "guesses a reviewer's token",
        "access to the desk's port",
        "a limit of ten wrong tokens a minute, from everywhere together; a warning to the operator for each",
        "no further token is looked at (429) for a minute at most; whoever has come in works on",
        (
            f"{_DOOR}::test_guessing_is_slowed_and_told",
            "tests/review/test_command.py::test_the_command_tells_its_operator_of_wrong_tokens",
        ),
    ),
    OtherAttack(
        "X29",
        "uses a session that a reviewer left open, or its cookie",
        "the reviewer's browser, or its cookie",
        "the end of each session: after eight hours without use, and a day after it began",
        "the desk asks for a token again",
        (
            f"{_DOOR}::test_a_session_ends_when_nobody_uses_it",
            f"{_DOOR}::test_a_session_ends_after_a_day_however_much_it_is_used",
            f"{_DOOR}::test_a_session_that_ended_leads_to_the_door_and_back",
        ),
    ),
    OtherAttack(
        "X30",
        "keeps reviewers out, by trying wrong tokens without a pause",
        "access to the desk's port",
        "**nothing at the desk, which cannot tell who guesses; a proxy in front of it**",
        "nobody comes in anew until it stops; whoever has come in works on",
        (f"{_DOOR}::test_guessing_is_slowed_and_told",),
    ),
)
