"""What is this directory, what in it can be trusted up to where, and what to do.

`verify` answers for a log. Somebody who stands before a directory may have a foreign one, a newer one, or a
part of one; the answers here are sentences, and nothing is changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import FORMAT
from guardrails_lite.audit._log import AuditLog
from guardrails_lite.audit._read import read, stream_names
from guardrails_lite.audit._scan import segments
from guardrails_lite.audit._strays import strays
from guardrails_lite.audit._verify import EXIT_CODES, Report, StreamReport, verify

Kind = Literal["whole", "unsealed", "damaged", "half-copied", "newer", "foreign", "missing"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `diagnose` found."""

    kind: Kind
    what: str
    """What the directory is, in a sentence."""
    trusted: tuple[str, ...]
    """For each stream, up to where its entries are what was written."""
    advice: tuple[str, ...]
    """What to do, first things first; empty: nothing."""
    report: Report | None
    """What `verify` found; None where there was no log to verify."""

    @property
    def exit_code(self) -> int:
        """That of `verify`; 5 where there is no log."""
        return EXIT_CODES["unreadable"] if self.report is None else self.report.exit_code

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "kind": self.kind,
            "what": self.what,
            "trusted": list(self.trusted),
            "advice": list(self.advice),
            "exit_code": self.exit_code,
            "report": self.report.to_dict() if self.report is not None else None,
        }


def diagnose(
    directory: str | os.PathLike[str],
    *,
    key: str | None = None,
    heads: Iterable[str] = (),
    processes: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Diagnosis:
    """Say what *directory* is. It changes nothing.

    Args:
        directory: Any directory, or a path where there is none.
        key: As for `verify`.
        heads: As for `verify`.
        processes: As for `verify`.
        on_progress: As for `verify`.

    Raises:
        ConfigError: as `verify` does.
    """
    root = Path(directory)
    return _no_log(root) or _log(
        root, verify(root, key=key, heads=heads, processes=processes, on_progress=on_progress)
    )


def _no_log(root: Path) -> Diagnosis | None:
    """Why *root* holds no log that can be verified; None: it holds one."""
    if not root.is_dir():
        what = "this is a file, but a log is a directory" if root.exists() else "there is nothing"
        return _without("missing", f"{root}: {what}", "Give the directory that you passed to AuditLog.")
    try:
        config = json.loads((root / "log.json").read_bytes())
        format_, name = config["format"], config["log"]
    except FileNotFoundError:
        if (root / "registry.jsonl").exists() or (root / "streams").is_dir():
            found = counted(len(stream_names(root)), "stream")
            return _without(
                "half-copied",
                f"{root}: parts of a compliance log, {found} among them, without its log.json",
                "Copy the whole log again: log.json, registry.jsonl and streams/.",
                "The entries can be read as JSON lines; without log.json none of them can be verified.",
            )
        return _without(
            "foreign", f"{root}: not a compliance log", "Give the directory that you passed to AuditLog."
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _without(
            "damaged",
            f"{root}: its log.json cannot be read ({type(error).__name__})",
            "The registry's first entry repeats the original log.json: restore it from there or from a copy.",
        )
    if format_ != FORMAT or not isinstance(name, str):
        return _without(
            "newer",
            f"{root}: a log of format {format_!r}, but this library reads {FORMAT!r}",
            "Use the version of guardrails-lite that wrote it. Nothing was changed.",
        )
    return None


def _without(kind: Kind, what: str, *advice: str) -> Diagnosis:
    return Diagnosis(kind, what, (), advice, None)


def _log(root: Path, report: Report) -> Diagnosis:
    missing = list(_missing(root, report))
    kind: Kind = "damaged"
    if report.ok:
        kind = "whole"
    elif report.state == "unsealed":
        kind = "unsealed"
    elif "registry.jsonl" in missing or (missing and report.state == "truncated"):
        kind = "half-copied"
    what = {
        "whole": f"{root}: a compliance log, intact: {report.extent}",
        "unsealed": f"{root}: a compliance log whose last entries are not signed yet: {report.extent}",
        "half-copied": f"{root}: a compliance log with missing files: {report.extent}",
        "damaged": f"{root}: a compliance log that is not what was written: {report.extent}",
    }[kind]
    trusted = tuple(_trusted(report, stream) for stream in report.streams)
    return Diagnosis(kind, what, trusted, tuple(_advice(root, report, missing)), report)


def _trusted(report: Report, stream: StreamReport) -> str:
    """Up to where the entries of *stream* are what was written."""
    wrong = [problem for problem in report.problems if problem.stream in (stream.name, "registry")]
    firm = [problem for problem in wrong if problem.state != "unsealed"]
    if any(problem.record is None or problem.stream == "registry" for problem in firm):
        return f"{stream.name}: nothing"
    end = min([stream.sealed, *(problem.record or 0 for problem in firm)])
    if end == stream.records:
        return f"{stream.name}: all {counted(end, 'entry')}"
    return f"{stream.name}: the first {end} of {counted(stream.records, 'entry')}"


def _missing(root: Path, report: Report) -> Iterator[str]:
    """Files that must have been there."""
    for stream in report.streams:
        paths = segments(root / "streams" / stream.name)
        numbers = [int(path.stem) for path in paths]
        if not numbers:
            yield f"streams/{stream.name}/"
        elif numbers != list(range(numbers[0], numbers[-1] + 1)):
            yield f"a segment of streams/{stream.name}/"
    if not (root / "registry.jsonl").exists():
        yield "registry.jsonl"


def _advice(root: Path, report: Report, missing: list[str]) -> Iterator[str]:
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        yield f"Copy what is missing from where the log was written: {shown}."
    if report.state in ("tampered", "truncated", "unreadable"):
        yield (
            "Keep the directory as it is, because it is evidence; compare it with a copy, or with a head "
            "that was kept elsewhere."
        )
        yield "Log to another directory from now on."
    dead = [stream.name for stream in report.streams if stream.ended == "open" and stream.records]
    if dead:
        yield (
            f"{counted(len(dead), 'stream')} left by processes that crashed or were killed: `guardrails-lite "
            "log seal` closes them off, and so does the next process that logs here."
        )
    if report.state in ("intact", "unsealed") and (left := strays(root)):
        size = sum(stray.bytes for stray in left)
        yield (
            f"{counted(size, 'byte')} of kept texts have no record, because their calls broke off between "
            "the two: `guardrails-lite log repair --yes` overwrites them."
        )
    if report.key == "none":
        yield "No signature was checked: give the log's verify.key with --key."
    elif report.key == "directory":
        yield "The key came from the log itself: keep verify.key elsewhere and give it with --key."
    if _keeps_texts(root) and not (root / "vault").is_dir():
        yield "Records say that texts were kept, but there is no vault/, so they cannot be read here."


def _keeps_texts(root: Path) -> bool:
    try:
        return any("content" in entry.data for entry in islice(read(root), 1000))
    except (ConfigError, OSError):
        return False


def close_off(log: AuditLog) -> list[dict[str, Any]]:
    """Close off the streams of processes that ended hard: where each ends is recorded in the registry.

    No line is changed. A stream whose files are damaged is left as it is.

    Returns:
        For each, what its ``recovery`` entry says: ``stream``, ``size``, ``torn``, ``open_calls``.

    Raises:
        LogUnavailable: the log cannot be written.
    """
    marked = log.event("log.repaired", {})
    (stream,) = [entry.stream for entry in log.records("log.repaired") if entry.id == marked]
    return [dict(entry.data) for entry in read(log.directory, kind="recovery", stream=stream)]
