"""A guard around the real client, before a server that answers as it is told: many calls in one way."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from guardrails_lite.testing._server import HttpReply, LoopbackServer
from guardrails_lite.testing._shapes import JsonDict
from guardrails_lite.testing.faults._trial import Way
from guardrails_lite.testing.kit._reply import Api

if TYPE_CHECKING:
    from guardrails_lite._record import Record

_SAID: Mapping[Api, Mapping[str, Any]] = {
    "chat": {"model": "m", "messages": ({"role": "user", "content": "Hello."},)},
    "responses": {"model": "m", "input": "Hello."},
}


@dataclass(slots=True)
class Got:
    """What the application got of one guarded call, and what the record says."""

    records: tuple[Record, ...] = ()
    value: Any = None
    calls: dict[Any, list[str]] = field(default_factory=dict)
    text: str = ""
    seen: list[str] = field(default_factory=list)
    """All that it got, as it prints."""
    told_twice: bool = True
    """The events of a stream say what its last one says."""
    error: BaseException | None = None

    @property
    def parsed_calls(self) -> list[tuple[str, Any]]:
        """The calls, their arguments parsed."""
        return [(name, json.loads(arguments or "null")) for name, arguments in self.calls.values()]

    @property
    def written_error(self) -> str:
        """The error as a log would have it: with its causes, and their notes."""
        return "" if self.error is None else "".join(traceback.format_exception(self.error))

    def whole(self, reply: Any) -> None:
        """Take a completion or a response."""
        self.seen.append(repr(reply))
        if hasattr(reply, "choices"):
            self._choices(reply.choices, "message")
            self.value = getattr(reply.choices[0].message, "parsed", None)
        else:
            self._items(reply.output)
            self.value = getattr(reply, "output_parsed", None)

    def piece(self, piece: Any) -> None:
        """Take a chunk of a completion, or an event of a response."""
        self.seen.append(repr(piece))
        if hasattr(piece, "choices"):
            self._choices(piece.choices, "delta")
            return
        match piece.type:
            case "response.output_text.delta":
                self.text += piece.delta
            case "response.output_item.done" if piece.item.type == "function_call":
                self.calls[piece.output_index] = [piece.item.name, piece.item.arguments]
            case "response.completed" | "response.incomplete":
                last = Got()
                last._items(piece.response.output)
                self.told_twice = (last.text, list(last.calls.values())) == (
                    self.text,
                    list(self.calls.values()),
                )

    def _choices(self, choices: Any, key: str) -> None:
        for choice in choices or ():
            part = getattr(choice, key)
            self.text += part.content or ""
            for nth, call in enumerate(part.tool_calls or ()):
                at = self.calls.setdefault(getattr(call, "index", nth), ["", ""])
                at[0] = call.function.name or at[0]
                at[1] += call.function.arguments or ""

    def _items(self, items: Any) -> None:
        for place, item in enumerate(items):
            if item.type == "function_call":
                self.calls[place] = [item.name, item.arguments]
            elif item.type == "message":
                self.text += "".join(part.text for part in item.content if part.type == "output_text")


class Bench:
    """A server and a client, for many guarded calls of one API in one way.

    Args:
        settings: What the guard is made of.
        api: The method that is called.
        way: How it is called.
        good: What the server answers after what `attempt` was given.
    """

    def __init__(self, settings: Mapping[str, Any], api: Api, way: Way, good: JsonDict) -> None:
        self.streams = "stream" in way
        self._settings = settings
        self._records: list[Record] = []
        self._api: Api = api
        self._is_async = "async" in way
        self._good = HttpReply(good, size=40)
        self._answers: list[Any] = []
        self._server = LoopbackServer(then=lambda _: self._answers.pop() if self._answers else self._good)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        from openai import AsyncOpenAI, OpenAI

        from guardrails_lite._guard import Guard

        self._server.__enter__()
        kind = AsyncOpenAI if self._is_async else OpenAI
        self._client: Any = kind(base_url=self._server.base_url, api_key="test")
        client = Guard(**{**self._settings, "log": self._records.append}).wrap(self._client)
        self._create: Any = client.chat.completions.create if self._api == "chat" else client.responses.create
        return self

    def __exit__(self, *exc: object) -> None:
        closing = self._client.close()
        if self._is_async:
            self._runner.run(closing)
        self._runner.close()
        self._server.__exit__(None, None, None)

    def attempt(self, answer: Any) -> Got:
        """Make one guarded call that is answered with *answer*, and with the good reply from then on."""
        got = Got()
        self._answers = [answer]
        self._records.clear()
        try:
            if self._is_async:
                self._runner.run(self._acall(got))
            else:
                self._call(got)
        except Exception as error:
            got.error = error
        got.records = tuple(self._records)
        return got

    def _call(self, got: Got) -> None:
        reply = self._create(**_SAID[self._api], stream=self.streams)
        if not self.streams:
            got.whole(reply)
            return
        for piece in reply:
            got.piece(piece)
        got.value = reply.outcome.value

    async def _acall(self, got: Got) -> None:
        reply = await self._create(**_SAID[self._api], stream=self.streams)
        if not self.streams:
            got.whole(reply)
            return
        async for piece in reply:
            got.piece(piece)
        got.value = reply.outcome.value
