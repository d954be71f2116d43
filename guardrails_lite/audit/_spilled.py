"""Where a log spills to: a note beside it, so that what is done for a person here is not forgotten there.

It is no entry, for a path may tell more of a machine than those who are given evidence should know.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from guardrails_lite.audit._disk import replace_secret

_NOTE: Final = "spill"


def note(directory: Path, spill: Path) -> None:
    """Remember beside the log in *directory* that it spills into *spill*.

    Raises:
        OSError: it cannot be written.
    """
    if spilled(directory) != spill:
        replace_secret(directory / _NOTE, f"{spill}\n".encode(errors="surrogateescape"))


def spilled(directory: Path) -> Path | None:
    """The log that the one in *directory* spills into, where it is on this machine."""
    try:
        told = (directory / _NOTE).read_text(errors="surrogateescape").removesuffix("\n")
        spill = Path(told)
        return spill if told and (spill / "log.json").exists() else None
    except (OSError, ValueError):
        return None
