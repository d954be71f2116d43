"""What `AuditLog` is told when it is made: the words for it, and whether it can work."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite.audit import _disk
from guardrails_lite.audit._disk import Clock, Disk
from guardrails_lite.audit._keys import Algorithm, has_cryptography

LogMode = Literal["async", "commit", "strict"]
OnFailure = Literal["closed", "spill", "open"]
Witness = Callable[[str], object]
Capture = Literal["none", "metadata", "redacted", "sealed"]

_PLAIN: Final = {
    "mode": "commit",
    "on_failure": "closed",
    "spill": None,
    "capture": "metadata",
    "signing": None,
}
"""What is not told of a log where it is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a log is written. `AuditLog` says what each one means.

    Raises:
        ConfigError: one cannot work.
    """

    directory: str | os.PathLike[str]
    mode: LogMode
    on_failure: OnFailure
    spill: str | os.PathLike[str] | None
    capture: Capture
    signing: Algorithm | None
    keys: str | os.PathLike[str] | None
    checkpoint_every: int
    heartbeat_s: float | None
    segment_bytes: int
    witness: Witness | None
    witness_s: float
    clock: Clock
    disk: Disk
    root: Path = field(init=False)
    """The directory, wherever the process goes."""
    keys_root: Path = field(init=False)
    """The directory of the keys."""
    spill_keys: Path | None = field(init=False)
    """That of the spill's keys; None: they lie in the spill."""

    def __post_init__(self) -> None:
        _check_path("AuditLog(...)", self.directory)
        _check_choice("mode", self.mode, ("async", "commit", "strict"))
        _check_choice("on_failure", self.on_failure, ("closed", "spill", "open"))
        if (self.spill is not None) != (self.on_failure == "spill"):
            raise ConfigError(
                "AuditLog: on_failure='spill' and spill=<directory> go together; give both or none"
            )
        for name, path in (("spill", self.spill), ("keys", self.keys)):
            if path is not None:
                _check_path(f"AuditLog: {name}=", path)
        _check_choice("capture", self.capture, ("none", "metadata", "redacted", "sealed"))
        _check_whole("checkpoint_every", self.checkpoint_every, least=1)
        _check_whole("segment_bytes", self.segment_bytes, least=4096)
        if self.heartbeat_s is not None:
            _check_seconds("heartbeat_s", self.heartbeat_s)
        _check_seconds("witness_s", self.witness_s)
        if self.witness is not None and not callable(self.witness):
            raise ConfigError(
                "AuditLog: witness= takes a function that receives the head, not "
                f"{type(self.witness).__name__}: witness=witness_file('heads')"
            )
        _check_system("clock", self.clock, Clock)
        _check_system("disk", self.disk, Disk)
        if self.signing is not None:
            _check_choice("signing", self.signing, ("ed25519", "hmac-sha256"))
        _check_installed(self)
        root = Path(self.directory).absolute()
        if self.spill is not None and Path(self.spill).resolve() == root.resolve():
            raise ConfigError(
                f"AuditLog: spill={os.fspath(self.spill)!r} is the log's own directory; give another, best "
                "on another volume"
            )
        keys = None if self.keys is None else Path(self.keys).absolute()
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "keys_root", keys or root / "keys")
        object.__setattr__(self, "spill_keys", keys and keys / "spill")

    @property
    def keeps_texts(self) -> bool:
        """Whether anything of what is said is kept."""
        return self.capture in ("redacted", "sealed")

    @property
    def algorithm(self) -> Algorithm:
        """How a new log is signed."""
        return self.signing or ("ed25519" if has_cryptography() else "hmac-sha256")

    def as_code(self) -> str:
        """The code that makes such a log, as far as people ask for it."""
        told = [f"{name}={getattr(self, name)!r}" for name in _PLAIN if getattr(self, name) != _PLAIN[name]]
        return f"AuditLog({', '.join([repr(os.fspath(self.directory)), *told])})"


def _check_installed(settings: Settings) -> None:
    if not _disk.HAS_LOCKS:
        raise ConfigError(
            "AuditLog needs POSIX file locks, which this system lacks; log to a callable instead"
        )
    if has_cryptography():
        return
    for name, value, needs in (
        ("signing", settings.signing, settings.signing == "ed25519"),
        ("capture", settings.capture, settings.keeps_texts),
    ):
        if needs:
            raise MissingPackage.needed_by(
                f"AuditLog({name}={value!r})", "cryptography", install="guardrails-lite[audit]"
            )


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"AuditLog({name}={value!r}): expected one of {', '.join(map(repr, allowed))}")


def _check_path(what: str, value: object) -> None:
    if not isinstance(value, (str, os.PathLike)):
        raise ConfigError(f"{what} takes the path of a directory, not {type(value).__name__}")


def _check_whole(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"AuditLog({name}={value!r}): expected a whole number, {least} or more")


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigError(f"AuditLog({name}={value!r}): expected a number of seconds, 0 or more")


def _check_system(name: str, value: Clock | Disk, kind: type[Clock] | type[Disk]) -> None:
    if not isinstance(value, kind):
        raise ConfigError(
            f"AuditLog: {name}= takes a guardrails_lite.audit.{kind.__name__}, not {type(value).__name__}; "
            "leave it out to use the system's"
        )
    for part in kind.__slots__:
        call = getattr(value, part)
        if not callable(call):
            raise ConfigError(
                f"AuditLog: {name}={kind.__name__}({part}=...) takes a function, not {type(call).__name__}"
            )
