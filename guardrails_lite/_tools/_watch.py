"""Tool calls while they arrive: the first fault that nothing in the rest of the stream can mend.

A name is looked at with its first delta, arguments with each of theirs. What is said here is said of the same
calls when they are whole; saying it early only saves the rest of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardrails_lite._messages import Message
from guardrails_lite._tools._assembler import Growing
from guardrails_lite._tools._toolbox import Offered
from guardrails_lite._tools._verdicts import Verdict

if TYPE_CHECKING:
    from guardrails_lite.schemas.problems import Problem
    from guardrails_lite.schemas.streaming import StreamParser


@dataclass(slots=True)
class _Heard:
    call: Growing
    parser: StreamParser | None = None
    """Reads its arguments; None before they begin, and where they are free text."""
    pieces: int = 0
    """How many pieces of its arguments have been read."""


class CallWatch:
    """The calls of one choice.

    Args:
        offered: What the request offers.
        messages: The conversation before it.
    """

    __slots__ = ("_heard", "_messages", "_offered")

    def __init__(self, offered: Offered, messages: Sequence[Message]) -> None:
        self._offered = offered
        self._messages = messages
        self._heard: dict[int, _Heard] = {}

    def hear(self, call: Growing, name: str | None) -> tuple[Verdict, ...]:
        """Look at a call that has grown; the verdicts on this turn where it can only be refused, else none.

        Args:
            call: The call.
            name: Its name so far, where that has grown.
        """
        heard = self._heard.get(id(call))
        if heard is None:
            heard = self._heard[id(call)] = _Heard(call)
        if name is not None and not self._offered.known_prefix(name):
            return self._refused(heard)
        if len(call.arguments) == heard.pieces or call.custom or not call.name:  # some servers name it last
            return ()
        if heard.parser is None:
            terms = self._offered.terms.get("".join(call.name))
            if terms is None:  # the beginning of a name, and no more of it will come
                return self._refused(heard)
            if terms.tool.arguments is None:
                return ()
            from guardrails_lite.schemas.streaming import StreamParser

            heard.parser = StreamParser.of_arguments(terms.tool.arguments)
        for piece in call.arguments[heard.pieces :]:
            heard.parser.feed(piece)
        heard.pieces = len(call.arguments)
        if heard.parser.hopeless is not None and not heard.parser.is_complete:
            return self._refused(heard, heard.parser.problems())
        return ()

    def _refused(self, heard: _Heard, problems: tuple[Problem, ...] = ()) -> tuple[Verdict, ...]:
        """The verdicts on the calls that are whole, and on the one that is refused."""
        whole = [
            one.call.whole()
            for one in self._heard.values()
            if one is not heard and one.parser is not None and one.parser.is_complete
        ]
        return self._offered.check_begun(whole, heard.call.whole(), problems, self._messages)
