"""The vault: texts, encrypted under a key for each person, so that forgetting the key forgets the texts.

The chained record never holds text. It holds a commitment, SHA-256(salt ‖ texts), and where in the vault the
box is; salt and texts are inside the box, AES-256-GCM under the person's key. Destroying that key makes
the box unreadable and the commitment meaningless, and no line of the log has to change.

What was said before any rule rewrote or stopped it, where that is kept at all (`AuditLog(capture="sealed")`),
is in a second box under the same key, so that reading the first never opens it. There is none where the
rules left everything as it was, and a text that they left is in the first box only.

``vault/<name>.boxes`` holds the boxes of one process, ``vault/<name>.keys`` the keys, wrapped under the log's
own key, in slots of fixed size that are overwritten in place. What a copy-on-write file system, a
snapshot or a backup keeps is beyond us: keep the log's own key (``keys/vault.key``) out of backups.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite._record import KeptText
from guardrails_lite.audit._content import Box, Content, Texts
from guardrails_lite.audit._disk import Disk, hold, is_locked, make_private, replace_secret, sync_directory
from guardrails_lite.audit._keys import has_cryptography

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SLOT: Final = 80
_TAG: Final = 16
_SALT: Final = 32
_NONCE: Final = 12
_WRAPPED: Final = 48
_KEPT: Final = 1024
_BLOCK: Final = 1 << 20


class _Key(NamedTuple):
    """The key of one person, ready for use, and where it is kept."""

    cipher: AESGCM
    slot: int
    tag: bytes


class _Files:
    """Where one process puts its boxes, and the keys to them."""

    def __init__(self, directory: Path) -> None:
        make_private(directory)
        self._directory: Path | None = directory
        """Where the names of these files are not durable yet."""
        self.name = f"{os.getpid()}-{secrets.token_hex(6)}"
        self.offset = self.count = 0
        """How many bytes of boxes there are, and how many keys."""
        self.subjects: dict[str, _Key] = {}
        self.synced = True
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.slots = os.open(directory / f"{self.name}.keys", flags, 0o600)
        try:
            hold(self.slots)  # for as long as boxes may come whose records are about to
            self.boxes = os.open(directory / f"{self.name}.boxes", flags | os.O_APPEND, 0o600)
        except OSError:
            os.close(self.slots)
            raise

    def sync(self, disk: Disk) -> None:
        if not self.synced:
            disk.sync(self.slots)
            disk.sync(self.boxes)
            if self._directory is not None:
                sync_directory(self._directory)
                self._directory = None
            self.synced = True

    def close(self) -> None:
        os.close(self.slots)
        os.close(self.boxes)


class Erased(LookupError):
    """The key of these texts was destroyed."""


class Vault:
    """The vault in *directory*, under the key kept at *key_path*."""

    def __init__(self, directory: Path, key_path: Path, *, disk: Disk) -> None:
        self.directory = directory
        self._key_path = key_path
        self._disk = disk
        self._lock = threading.RLock()
        self._files: _Files | None = None
        self._key = b""

    def load(self) -> None:
        """Read the vault's key, making it when there is none."""
        if not os.path.lexists(self._key_path) and not any(self.directory.glob("*.keys")):
            replace_secret(self._key_path, secrets.token_bytes(32))
        try:
            self._key = self._key_path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{self._key_path}: the vault's key cannot be read ({type(error).__name__}), so kept texts "
                "can be neither opened nor added. Restore it from where it is kept, or give keys=."
            ) from error
        if len(self._key) != 32:
            raise ConfigError(
                f"{self._key_path}: the vault's key must be 32 bytes; restore it from where it is kept"
            )

    def put(self, call: str, subject: str, texts: Texts, originals: Texts = ()) -> Content:
        """Seal what is kept of *call* under the key of *subject*, which is a pseudonym.

        Args:
            call: Its id.
            subject: Whose it is.
            texts: As the rules left them.
            originals: As they were said, where that is kept and is something else.

        Raises:
            OSError: they could not be written.
        """
        with self._lock:
            # Taken while they are used: a call that the garbage collector ends meanwhile gets others.
            files, self._files = self._files or _Files(self.directory), None
            try:
                return self._put(files, call, subject, texts, originals)
            finally:
                within, self._files = self._files, files
                if within is not None:
                    with contextlib.suppress(OSError):  # it is not that call's to fail
                        within.sync(self._disk)
                    within.close()

    def _put(self, files: _Files, call: str, subject: str, texts: Texts, originals: Texts) -> Content:
        key = self._key_of(files, subject)
        sealed, kept, original = b"", None, None
        if texts:
            sealed, kept = self._seal(files, key, call, [_told(text) for text in texts], 0)
        if originals:
            beside, original = self._seal(files, key, _original(call), _beside(originals, texts), len(sealed))
            sealed += beside
        try:
            self._disk.write_all(files.boxes, sealed)  # both boxes or none
        except OSError:
            self._disk.truncate(files.boxes, files.offset)
            raise
        files.offset += len(sealed)
        files.synced = False
        return Content(kept, original, has_originals=original is not None)

    def take(self, call: str, box: Box) -> Texts:
        """The texts of *call*, as the rules left them.

        Raises:
            Erased: their key was destroyed.
            ConfigError: the vault's key cannot be read.
            ValueError: the box is not what the record commits to.
            OSError: the box cannot be read.
        """
        return tuple(_read(told) for told in self._take(call, box))

    def take_originals(self, call: str, content: Content, texts: Texts) -> Texts:
        """What was said in *call*, of which *texts* are kept. Raises what `take` raises."""
        if content.original is None:
            return texts
        held = self._take(_original(call), content.original)
        return tuple(_read_beside(texts, said)._replace(attempt=attempt) for attempt, *said in held)

    def _take(self, bound_to: str, box: Box) -> list[Any]:
        if not has_cryptography():
            raise MissingPackage.needed_by(
                "opening kept texts", "cryptography", install="guardrails-lite[audit]"
            )
        if not self._key:
            self.load()
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, offset, length, slot = box.place
        with (self.directory / f"{name}.keys").open("rb") as keys:
            keys.seek(slot * _SLOT)
            held = keys.read(_SLOT)
        if not any(held[:_TAG]):
            raise Erased("the key of these texts was destroyed; see the log's `erasure` entries")
        with (self.directory / f"{name}.boxes").open("rb") as boxes:
            boxes.seek(offset)
            sealed = boxes.read(length)
        try:
            key = self._unwrap(held)
            plain = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to.encode())
        except InvalidTag as error:
            raise ValueError("the box or its key was changed") from error
        if sha256(plain).hexdigest() != box.commit:
            raise ValueError("the box is not the one that the record commits to")
        content: list[Any] = json.loads(plain[_SALT:])
        return content

    def erase(self, subjects: Iterable[str]) -> int:
        """Destroy the keys of *subjects* in every process's files; how many there were."""
        tags = {_tag(subject) for subject in subjects}
        count = 0
        for path in sorted(self.directory.glob("*.keys")):
            fd = os.open(path, os.O_RDWR)
            try:
                for slot, tag in enumerate(_tags(fd)):
                    if tag in tags:
                        os.pwrite(fd, b"\0" * _SLOT, slot * _SLOT)
                        count += 1
                os.fsync(fd)
            finally:
                os.close(fd)
        with self._lock:
            if self._files is not None:
                self._files.subjects.clear()
        return count

    def blank(self, boxes: Iterable[Box]) -> None:
        """Overwrite *boxes*, whose records are let go or were never written.

        Raises:
            OSError: they may not be gone from the disk.
        """
        places: dict[str, list[tuple[int, int]]] = {}
        for box in boxes:
            name, offset, length, _ = box.place
            places.setdefault(name, []).append((offset, length))
        for name, spans in places.items():
            self.overwrite(name, spans)

    def overwrite(self, name: str, spans: Iterable[tuple[int, int]]) -> None:
        """Overwrite what is at *spans*, offsets and lengths, of the file of boxes *name*.

        Raises:
            OSError: it may not be gone from the disk.
        """
        try:
            fd = os.open(self.directory / f"{name}.boxes", os.O_WRONLY)
        except FileNotFoundError:
            return
        try:
            for offset, length in spans:
                for at in range(offset, offset + length, _BLOCK):
                    os.pwrite(fd, b"\0" * min(_BLOCK, offset + length - at), at)
            os.fsync(fd)
        finally:
            os.close(fd)

    def at_rest(self) -> Iterator[tuple[str, int]]:
        """The files of boxes to which no process adds any more, by name, and how long each is."""
        for path in sorted(self.directory.glob("*.boxes")):
            if not is_locked(path.with_suffix(".keys")):
                with contextlib.suppress(FileNotFoundError):
                    yield path.stem, path.stat().st_size

    def holds_of(self, name: str, subjects: Iterable[str]) -> bool:
        """Whether the files *name* have a key of one of *subjects*."""
        tags = {_tag(subject) for subject in subjects}
        try:
            with (self.directory / f"{name}.keys").open("rb") as keys:
                return not tags.isdisjoint(_tags(keys.fileno()))
        except FileNotFoundError:
            return False

    def sync(self) -> None:
        """Return once all boxes and keys are on the disk.

        Raises:
            OSError: they may not be.
        """
        with self._lock:
            if self._files is None:
                return
            try:
                self._files.sync(self._disk)
            except OSError:
                self.close()  # the system reports such an error only once, so these are not trusted again
                raise

    def close(self) -> None:
        """Let go of the files; the next box goes into new ones."""
        with self._lock:
            files, self._files = self._files, None
            if files is not None:
                files.close()

    def begin_anew(self) -> None:
        """Leave, in a forked child, the files to the parent."""
        self._lock = threading.RLock()
        self.close()

    def _key_of(self, files: _Files, subject: str) -> _Key:
        found = files.subjects.get(subject)
        # Another process may have erased this person since: a destroyed key is never used again.
        if found is not None and os.pread(files.slots, _TAG, found.slot * _SLOT) == found.tag:
            return found
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        secret, tag, slot = secrets.token_bytes(32), _tag(subject), files.count
        held = (tag + self._wrap(secret, tag)).ljust(_SLOT, b"\0")
        if os.pwrite(files.slots, held, slot * _SLOT) != _SLOT:
            raise OSError(errno.ENOSPC, "the system took a part of a key")
        files.count += 1
        if len(files.subjects) >= _KEPT:
            files.subjects.clear()
        made = files.subjects[subject] = _Key(AESGCM(secret), slot, tag)
        return made

    def _seal(
        self, files: _Files, key: _Key, bound_to: str, content: object, after: int
    ) -> tuple[bytes, Box]:
        """The box with *content*, to be written *after* so many bytes, and what the record tells of it."""
        drawn = os.urandom(_SALT + _NONCE)  # at once: asking the system takes longer than what it gives
        plain, nonce = drawn[:_SALT] + json.dumps(content).encode(), drawn[_SALT:]
        sealed = nonce + key.cipher.encrypt(nonce, plain, bound_to.encode())
        ref = f"{files.name}:{files.offset + after}:{len(sealed)}:{key.slot}"
        return sealed, Box(ref, sha256(plain).hexdigest())

    def _wrap(self, key: bytes, tag: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._key).encrypt(nonce, key, tag)

    def _unwrap(self, slot: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        tag, nonce = slot[:_TAG], slot[_TAG : _TAG + _NONCE]
        wrapped = slot[_TAG + _NONCE : _TAG + _NONCE + _WRAPPED]
        return AESGCM(self._key).decrypt(nonce, wrapped, tag)


def _told(text: KeptText) -> tuple[object, ...]:
    """A text as it is kept: most have a side, a role and words, and boxes from before knew no others."""
    side, role, words, _, part, name, ident = text
    return (side, role, words) if part == "text" else (side, role, words, part, name, ident)


def _beside(originals: Texts, texts: Texts) -> list[tuple[object, ...]]:
    """The *originals* as they are kept: each with its attempt, and those among *texts* by their place."""
    places = {_words(text): place for place, text in reversed(list(enumerate(texts)))}
    held: list[tuple[object, ...]] = []
    for said in originals:
        place = places.get(_words(said))
        if place is None:
            held.append((said.attempt, *_told(said)))
        elif texts[place][5:] == said[5:]:
            held.append((said.attempt, place))
        else:  # whose name or id no rule had seen
            held.append((said.attempt, place, said.name, said.id))
    return held


def _words(text: KeptText) -> tuple[str, ...]:
    return (*text[:3], text.part)


def _read(told: Any) -> KeptText:
    match told:
        case [str(side), str(role), str(words)]:
            return KeptText(side, role, words)
        case [str(side), str(role), str(words), "reasoning" | "refusal" | "tool call" as part, name, ident]:
            return KeptText(side, role, words, None, part, name, ident)
    raise ValueError("the box does not hold what was said")


def _read_beside(texts: Texts, said: Any) -> KeptText:
    match said:
        case [int(place)] if 0 <= place < len(texts):
            return texts[place]
        case [int(place), name, ident] if 0 <= place < len(texts):
            return texts[place]._replace(name=name, id=ident)
    return _read(said)


def _original(call: str) -> str:
    """What binds the box of a call's originals, so that it passes for no other."""
    return f"{call} original"


def _tag(subject: str) -> bytes:
    return sha256(b"glog/1 subject\0" + subject.encode()).digest()[:_TAG]


def _tags(fd: int) -> Iterator[bytes]:
    for slot in range(os.fstat(fd).st_size // _SLOT):
        yield os.pread(fd, _TAG, slot * _SLOT)
