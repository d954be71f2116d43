"""A log as an attacker finds it, and what its owner kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails_lite import Guard
from guardrails_lite.audit import AuditLog, read_heads, witness_file
from guardrails_lite.audit._keys import PrivateKey
from tests.audit import forger
from tests.audit.calls import intent, record


@dataclass(frozen=True, slots=True)
class Scene:
    """A log with a stream that was closed and one whose process runs, and what its owner kept elsewhere."""

    root: Path
    """The directory as the attacker has it: a copy, for the process goes on with the other."""
    earlier: Path
    """A copy from before the newest head."""
    key: str
    """The log's verify.key, kept elsewhere since the log was made."""
    heads: tuple[str, ...]
    """Heads kept elsewhere: from when the first stream was closed, and of the running one."""
    running: PrivateKey
    """The key in the memory of the process that runs."""
    unsigned: bytes
    """What that process writes next, and has not signed."""

    @property
    def open_segment(self) -> Path:
        """The file that the running process writes to."""
        return max((self.root / "streams").glob("*/*.jsonl"))


def scene(place: Path, signing: Any) -> Scene:
    """Play it in the empty directory *place*."""
    root = place / "log"
    options: dict[str, Any] = {"checkpoint_every": 8, "heartbeat_s": None, "signing": signing}
    with AuditLog(root, witness=witness_file(place / "heads"), **options) as log:
        for number in range(10):
            log.intent(intent(number))
            log(record(number))
        Guard(name="support", mode="monitor", log=log).check("hello")
    heads = read_heads((place / "heads").read_text())
    with AuditLog(root, **options) as log:
        for number in range(20, 24):
            log(record(number))
        log.seal()
        earlier = forger.copy(root, "earlier")
        heads.append(log.head())
        for number in range(24, 27):
            log(record(number))
        log.seal()
        taken = forger.copy(root, "taken")
        path = max((root / "streams").glob("*/*.jsonl"))
        size = path.stat().st_size
        log(record(27))
        unsigned = path.read_bytes()[size:]
        stream = log._writer.own.stream
        assert stream is not None
        running = stream._key
    key = (root / "keys" / "verify.key").read_text()
    return Scene(taken, earlier, key, tuple(heads), running, unsigned)
