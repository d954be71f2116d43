"""Whether the events of a streamed message of Anthropic's API tell one story."""

from __future__ import annotations

from typing import Any

from guardrails_lite._messages import Usage, get
from guardrails_lite._messages._anthropic import CALL, EVENTS, read_usage
from guardrails_lite._messages._reading import MalformedError, kind_of


class AnthropicAgreement:
    """What one stream has said so far, and what it says that it cost."""

    in_blocks = True
    __slots__ = ("_begun", "_blocks", "_ended", "usage")

    def __init__(self) -> None:
        self._begun = False
        self._ended = False
        self._blocks: dict[int, str | None] = {}
        """The kinds of the blocks that have begun, by their places; None: it has ended."""
        self.usage: Usage | None = None

    def hear(self, event: Any) -> None:
        """Take the next event.

        Raises:
            MalformedError: it does not go with those before it.
        """
        kind = kind_of(event)
        if kind == "ping" or kind not in EVENTS:
            return
        if self._ended:
            raise MalformedError("events after the last")
        if kind == "message_start":
            if self._begun:
                raise MalformedError("events of two messages")
            self._begun = True
            self.usage = read_usage(get(get(event, "message"), "usage"))
        elif kind == "message_delta":
            self.usage = read_usage(get(event, "usage"), self.usage) or self.usage
        elif kind == "message_stop":
            self._ended = True
        elif kind.startswith("content_block"):
            self._block(event, kind, get(event, "index"))

    def _block(self, event: Any, kind: str, index: Any) -> None:
        if type(index) is not int:
            raise MalformedError("a block without a place")
        if kind == "content_block_start":
            if index in self._blocks:
                raise MalformedError("two blocks at one place")
            self._blocks[index] = kind_of(get(event, "content_block"))
        elif self._blocks.get(index) is None:
            raise MalformedError("more of a block that is not open")
        elif kind == "content_block_stop":
            self._blocks[index] = None
        elif (of := _BLOCK_OF.get(kind_of(get(event, "delta")))) and of != self._blocks[index]:
            raise MalformedError("text of one block in another")


_BLOCK_OF = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": CALL}
