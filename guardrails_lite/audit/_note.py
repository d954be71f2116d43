"""Signed checkpoints in the text format of C2SP signed-note and tlog-checkpoint.

::

    <log>/<stream>
    513
    cfQcuKcIiAXCXiZ8kJnMWwcDMbLAnsFNrKrfDJqJyrc=

    — <log>/<stream> 8wIwJmVhY2ggYnl0ZSBpcyBjaGVja2Vk…

The origin, the number of leaves, the root, then what the signature covers ends. Any tool that reads
transparency-log checkpoints reads ours. Base64 is decoded strictly: a signature has exactly one spelling.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Protocol

_DASH = "\u2014 "


class BadNote(ValueError):
    """A text that is not a checkpoint, or not signed by the key it must be signed by."""


class Signs(Protocol):
    """A key that signs notes."""

    @property
    def name(self) -> str:
        """The key's name in the signature line: the origin of what it signs."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Four bytes that name the key, then the signature."""
        ...


class Checks(Protocol):
    """A key that checks notes."""

    @property
    def name(self) -> str:
        """The key's name in the signature line."""
        ...

    def check(self, text: bytes, signature: bytes) -> bool:
        """Whether *signature*, with its four leading bytes, is this key's over *text*."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: the stream *origin* has *size* leaves and this *root*."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines that the signature covers."""

    @property
    def text(self) -> str:
        """What is signed."""
        lines = [self.origin, str(self.size), b64(self.root), *self.extensions]
        return "\n".join(lines) + "\n"

    def signed(self, key: Signs) -> str:
        """This checkpoint as a note signed by *key*."""
        text = self.text
        return f"{text}\n{_DASH}{key.name} {b64(key.sign(text.encode()))}\n"


def read_note(note: str) -> tuple[Checkpoint, tuple[tuple[str, bytes], ...]]:
    """The checkpoint and the signatures (key name, bytes) in *note*, none of them checked.

    Raises:
        BadNote: it is not the one spelling of a checkpoint.
    """
    text, gap, tail = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) < 3 or not tail.endswith("\n"):
        raise BadNote("not a checkpoint: expected origin, size, root, an empty line and a signature")
    origin, size, root, *extensions = lines
    if not origin or not size.isascii() or not size.isdigit() or (size != "0" and size.startswith("0")):
        raise BadNote("not a checkpoint: its size is not a number")
    signatures = []
    for line in tail[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_DASH).rpartition(" ")
        if not line.startswith(_DASH) or not space or not name:
            raise BadNote("not a checkpoint: a signature line is malformed")
        signatures.append((name, unb64(encoded)))
    root_bytes = unb64(root)
    if len(root_bytes) != 32:
        raise BadNote("not a checkpoint: its root is not 32 bytes")
    return Checkpoint(origin, int(size), root_bytes, tuple(extensions)), tuple(signatures)


def check_note(note: str, key: Checks) -> Checkpoint:
    """The checkpoint in *note*, which must carry *key*'s signature.

    Raises:
        BadNote: it is malformed or that signature is missing or wrong.
    """
    found, signatures = read_note(note)
    if any(name == key.name and key.check(found.text.encode(), held) for name, held in signatures):
        return found
    raise BadNote("the signature does not belong to the key that must have made it")


def b64(data: bytes) -> str:
    """Base64, standard alphabet, padded."""
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    """Decode base64 in its one spelling.

    Raises:
        BadNote: *text* is not base64, or is another spelling of the same bytes.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("not base64") from error
    if b64(data) != text:
        raise BadNote("base64 with stray bits")
    return data
