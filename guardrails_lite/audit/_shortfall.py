"""Does a log hold less than it once did? Seen from its ends alone, in the time it takes to open it.

The registry says how far a stream had come when it ended, and at each head; the signing key says how far the
registry had come. A log that was cut short or rolled back falls behind one of these. It is no verification:
nothing is hashed, and what was changed in place is not seen.
"""

from __future__ import annotations

import json
from pathlib import Path

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import BadLine, parse
from guardrails_lite.audit._registry import REGISTRY, Known, note_entry, read_config
from guardrails_lite.audit._scan import lines, segments

_BLOCK = 1 << 16


def shortfall(root: Path) -> str | None:
    """What is missing at an end of the log in *root*, in half a sentence; None where nothing seems to."""
    # Retention may remove segments between two looks of the first; the second then knows of it.
    return _look(root) and _look(root)


def _look(root: Path) -> str | None:
    epoch = _epoch(root)  # before the registry, which may be written meanwhile
    known: dict[str, Known] = {}
    checkpoints = 0
    try:
        read_config(root / "log.json")
        for line in lines(root / "registry.jsonl"):
            if not line.endswith(b"\n"):
                break  # being written, or its writer died; the key moves on behind it
            entry = parse(line)
            note_entry(known, entry.type, entry.data, 0)
            checkpoints += entry.type == "checkpoint"
    except FileNotFoundError:
        if next((root / "streams").glob("*/*"), None) is not None:
            return f"the {REGISTRY} is missing"
    except (OSError, BadLine, TypeError, ValueError):
        return None  # damaged, which is for `verify` to say
    except ConfigError:
        return None  # no log, or a newer one, which is for the action to say
    if epoch > checkpoints:
        return f"the {REGISTRY} ends at epoch {checkpoints}, but the signing key is at epoch {epoch}"
    for name, stream in known.items():
        try:
            seen, size = _seen(stream), _size(root / "streams" / name, stream)
        except (OSError, BadLine, TypeError, ValueError, KeyError):
            continue
        if size < seen:
            return f"the stream {name} has {size} entries, but the {REGISTRY} knows of {seen}"
    return None


def _epoch(root: Path) -> int:
    """How far the signing key has come; 0 where it is not beside the log."""
    try:
        return int(json.loads((root / "keys" / "signing.key").read_bytes())["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _seen(stream: Known) -> int:
    """How many entries the registry knows the stream to have had; one at the least, for it was opened."""
    ended = int(stream.ended["size"]) if stream.ended is not None else 1
    return max([ended, *stream.heads])


def _size(directory: Path, stream: Known) -> int:
    """How many entries the stream has, by its last whole line and by what retention removed."""
    for path in reversed(segments(directory)):
        line = _last_line(path)
        if line:
            return parse(line).n + 1
    return int(stream.expired["size"]) if stream.expired is not None else 0


def _last_line(path: Path) -> bytes:
    """The last line of *path* that was finished; empty where there is none."""
    size, wanted, whole = path.stat().st_size, _BLOCK, b""
    with path.open("rb") as file:
        while True:
            start = max(0, size - wanted)
            file.seek(start)
            tail = file.read(size - start)
            whole = tail[: tail.rfind(b"\n") + 1]
            before = whole.rfind(b"\n", 0, -1)
            if before >= 0 or not start:
                return whole[before + 1 :]
            wanted *= 4  # the line is longer than what was read
