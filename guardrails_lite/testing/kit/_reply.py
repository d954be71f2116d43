"""One broken reply: what is wrong with it, and how it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from guardrails_lite.testing._responses import response_events
from guardrails_lite.testing._shapes import JsonDict, chunks

Api = Literal["chat", "responses"]
"""``chat.completions.create`` or ``responses.create``."""

APIS: tuple[Api, ...] = ("chat", "responses")
SMUGGLED = "smuggled_by_kit"
"""Stands where no reply has its text, or where what is told again should say the same and does not."""


@dataclass(frozen=True, slots=True)
class BrokenReply:
    """One way in which a reply can be wrong."""

    name: str
    """``schema: cut in the middle``: what it is about, and what is wrong."""
    reply: JsonDict = field(repr=False)
    """The completion, or the response."""
    mends: bool = False
    """It says the same as the good reply, so a guard may mend it."""
    frames: tuple[Any, ...] | None = field(default=None, repr=False)
    """The chunks or events, where it can only be told as a stream."""
    whole_only: bool = field(default=False, kw_only=True)
    """It can only be told whole."""

    def is_told(self, *, streamed: bool) -> bool:
        """Whether it can be told streamed, or whole."""
        return not self.whole_only if streamed else self.frames is None

    def chunks(self) -> list[Any]:
        """The reply as the chunks or events of a stream, in pieces of three characters or few pieces."""
        if self.frames is not None:
            return list(self.frames)
        chars = len(json.dumps(self.reply))
        if "choices" in self.reply:
            return chunks(self.reply, size=max(3, chars // 40))
        return response_events(self.reply, size=max(3, chars // 8))  # the client is slow to read an event
