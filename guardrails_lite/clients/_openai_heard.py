"""What a streamed response has said so far: its items, its calls, and which part each text belongs to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from guardrails_lite._messages import _responses, get
from guardrails_lite._messages._reading import kind_of


class Heard:
    """What one attempt has said so far."""

    __slots__ = ("calls", "final", "messages", "texts", "waiting")

    def __init__(self) -> None:
        self.final: Any = None
        """The response of the last event."""
        self.waiting: deque[Any] = deque()
        """Events to pass on before the next released text."""
        self.messages: dict[Any, Any] = {}
        """Message items by their place in the output."""
        self.calls: dict[Any, Any] = {}
        """The events that began tool calls, by the calls' ids."""
        self.texts = {kind: Text(kind) for kind in _responses.TEXT_OF}

    def begin(self, event: Any) -> None:
        """A part of a message begins."""
        kind = kind_of(get(event, "part"))
        if kind in self.texts:
            self.texts[kind].begin(_responses.place_of(event), str(get(event, "item_id")))


class Part(NamedTuple):
    """A part of the provider's, and where in all text of its kind it starts."""

    kind: str
    start: int
    output_index: int | None
    item_id: str


class Text:
    """All text of one kind: which part each released piece of it belongs to.

    As long as what is released is what was heard, each part keeps its own text. From the first change on,
    all text stays in the part in which that lies, as in `_writing.divided`.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._parts: list[Part] = []
        self._at = 0
        self._ahead: list[str] = []
        self._heard = 0
        self._released = 0
        self._same = True
        self.like: Any = None
        """The provider's newest delta."""

    def begin(self, output_index: int | None, item_id: str) -> None:
        """A part begins here."""
        self._parts.append(Part(self._kind, self._heard, output_index, item_id))

    def hear(self, text: str, event: Any) -> None:
        """More text of the part that began last."""
        self.like = event
        self._heard += len(text)
        self._ahead.append(text)

    def divided(self, text: str) -> Iterator[tuple[Part, str]]:
        """Divide released *text* among the parts."""
        if not self._parts:  # nothing was heard: the reply is a fallback's
            self._parts.append(Part(self._kind, 0, -1, "msg_guardrails_lite"))
        if self._same:
            ahead = "".join(self._ahead)
            self._same = ahead.startswith(text)
            self._ahead = [ahead[len(text) :]]
        while text:
            following = self._parts[self._at + 1 : self._at + 2] if self._same else ()
            said = text[: following[0].start - self._released] if following else text
            if said:
                yield self._parts[self._at], said
                self._released += len(said)
                text = text[len(said) :]
            else:
                self._at += 1
