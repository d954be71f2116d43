"""What the vault keeps of a call's texts, as the call's record tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from guardrails_lite._record import KeptText

Texts = tuple[KeptText, ...]
"""Each text that was kept."""
Form = Literal["redacted", "original"]
"""Of a text: as the rules left it, or as it was said."""

_LONGEST: Final = 2**30
"""Of a box: a reference that somebody forged must not exhaust memory."""


class Box(NamedTuple):
    """Where a call's texts are, and what binds them to its record."""

    ref: str
    """``<name>:<offset>:<length>:<slot>``."""
    commit: str
    """SHA-256(salt ‖ texts), in hex."""

    @property
    def place(self) -> tuple[str, int, int, int]:
        """The name, the offset, the length and the slot of `ref`.

        Raises:
            ValueError: it names no place in a vault.
        """
        name, *numbers = self.ref.split(":")
        if "/" in name or name.startswith("."):
            raise ValueError("a vault reference that names no file of the vault")
        offset, length, slot = map(int, numbers)
        if not 0 <= offset < 2**60 or not 0 <= length < _LONGEST or not 0 <= slot < 2**50:
            raise ValueError("a vault reference to a place that no file has")
        return name, offset, length, slot

    def to_dict(self) -> dict[str, str]:
        """As the record has it."""
        return {"commit": self.commit, "ref": self.ref}


class Content(NamedTuple):
    """What the vault keeps of a call, as its record tells."""

    kept: Box | None
    """The texts as the rules left them; None: there are none."""
    original: Box | None
    """The texts as they were said; None where that is what was kept, or they are not there."""
    has_originals: bool
    """Whether it can be told what was said."""

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All of it."""
        return tuple(box for box in (self.kept, self.original) if box is not None)


def heading(kept: KeptText) -> str:
    """What stands over a kept text where it is shown: ``output assistant, tool call refund (call_7)``."""
    attempt = f", attempt {kept.attempt}" if kept.attempt else ""
    if kept.part == "tool call":
        ident = f" ({kept.id})" if kept.id else ""
        return f"{kept.side} {kept.role}{attempt}, tool call {kept.name or 'of a tool not offered'}{ident}"
    return f"{kept.side} {kept.role}{attempt}" + ("" if kept.part == "text" else f", {kept.part}")


def content_of(data: Mapping[str, Any]) -> Content:
    """What a completed call's payload says that is kept of it."""
    content = data.get("content")
    if not isinstance(content, dict):
        return Content(None, None, has_originals=False)
    kept, original = _box(content), _box(content.get("original"))
    as_kept = kept is not None and "original" in content and content["original"] is None
    return Content(kept, original, has_originals=original is not None or as_kept)


def _box(told: Any) -> Box | None:
    if not isinstance(told, dict) or "ref" not in told:
        return None
    return Box(str(told["ref"]), str(told.get("commit")))
