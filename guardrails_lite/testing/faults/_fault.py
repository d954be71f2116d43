"""What a fault is: how it is served, and what a guard is expected to do about it.

A fault strikes the first request, or the first few, that a call sends for its primary model; every later
request and every other model gets a healthy answer. So what a guard does shows in what came back and in
what the server saw:

========  =========================================================================================
DELIVER   the first answer was returned
RETRY     the same request was sent again, and its answer returned
REASK     the model was told what was wrong, and its next answer returned
FALL      another target's answer was returned
FAIL x    an error of our own was raised, with the outcome x
========  =========================================================================================

Anything else is a failure of the guard: a broken reply returned as an answer, an error of somebody else's,
a call that outlives its deadline, or one that sends more requests than it may.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from guardrails_lite.testing._server import Answer, HttpReply, Wire, frame
from guardrails_lite.testing._shapes import JsonDict, chunks, completion
from guardrails_lite.testing._wire import LAST_CHUNK, Peer, Request, head, http_chunk

Group = Literal["status", "connection", "body", "stream", "system"]
Place = Literal["answer", "earlier", "greeting", "refused", "unresolvable", "full"]
"""In answer to a request, or to an earlier one over the same connection; at the first moment of a
connection; or before there is one: nobody listens, nobody has the name, nobody takes the connection up."""

TEXT = "All is well."
"""What every healthy answer says, and what a fault that must be delivered says too."""

BROKEN = "All is lost."
"""What a faulty answer says: a guard that returns it has returned a broken reply."""

WEATHER: JsonDict = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Say what the weather is.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
"""The tool that requests offer where a fault is about tool calls."""

FAILED = "FAIL transport failed"
LATE = "FAIL deadline passed"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which a fault shows itself."""

    name: str
    answer: Answer
    """What the struck request gets."""
    expected: tuple[str, ...] | None = None
    """Where it differs from the fault's own."""
    place: Place | None = None
    """Where it differs from the fault's own."""
    says: str = TEXT
    """What the struck answer says, if it may be delivered."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the catalogue."""

    id: str
    """A letter for the group and a number: H status, C connection, B body, S stream, X system."""
    title: str
    expected: tuple[str, ...]
    """What a guard may do about it, the best first."""
    answers: tuple[Variant, ...] = field(default=(), repr=False)
    """The ways in which it shows itself. None: it lies in the caller's own process and is not served."""
    streamed: bool | None = None
    """True: only a streamed request can be struck; False: only a whole one; None: either."""
    times: int = 1
    """How many requests are struck."""
    waits_s: float = 0.0
    """The least time before the next request."""
    within_s: float | None = None
    """The most time the call may take, where that is less than its deadline."""
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the request has beside model and messages."""
    place: Place = "answer"
    """Where it strikes."""
    warm: bool = False
    """A call over the same connection comes first, and is answered well."""

    @property
    def group(self) -> Group:
        """The kind of fault, from its letter."""
        groups: dict[str, Group] = {
            "H": "status",
            "C": "connection",
            "B": "body",
            "S": "stream",
            "X": "system",
        }
        return groups[self.id[0]]

    @property
    def is_served(self) -> bool:
        """Whether a `FaultServer` can bring it about."""
        return bool(self.answers)


def fault(
    id: str,
    title: str,
    expected: str | Sequence[str],
    answers: Answer | Mapping[str, Answer] | Sequence[Variant] = (),
    **more: Any,
) -> Fault:
    """Write one row: a single answer, or a mapping from a variant's name to its answer."""
    if isinstance(answers, Mapping) and "choices" not in answers:
        variants = tuple(Variant(name, answer) for name, answer in answers.items())
    elif isinstance(answers, tuple) and all(isinstance(answer, Variant) for answer in answers):
        variants = answers
    else:
        variants = (Variant("", answers),)  # type: ignore[arg-type]  # not a sequence of variants: one answer
    words = (expected,) if isinstance(expected, str) else tuple(expected)
    return Fault(id, title, words, variants, **more)


Step = bytes | float | Callable[[Peer], None]


def wire(*steps: Step) -> Wire:
    """Send bytes, wait seconds, reset or hang up, in turn."""

    def serve(peer: Peer, request: Request) -> None:
        play(peer, steps)

    return Wire(serve)


def play(peer: Peer, steps: Sequence[Step]) -> None:
    """Do the steps of `wire` on a connection."""
    for step in steps:
        if isinstance(step, bytes):
            peer.send(step)
        elif callable(step):
            step(peer)
        else:
            peer.pause(step)


LONG_S = 20.0
"""How long "for ever" is: longer than any deadline of a test. The server stops when the client hangs up."""


def drip(data: bytes, every_s: float) -> list[Step]:
    """Cut bytes into steps of one byte with a pause after each, for `LONG_S` at most."""
    return [step for byte in data[: round(LONG_S / every_s)] for step in (bytes([byte]), every_s)]


def json_reply(value: object, **more: Any) -> HttpReply:
    """Answer with any JSON value at all."""
    return HttpReply(json_bytes(value), **more)


def json_bytes(value: object) -> bytes:
    """Write JSON, escaping what is not ASCII, so that lone surrogates survive."""
    return json.dumps(value).encode()


def whole(data: bytes, kind: str = "application/json") -> bytes:
    """Write a whole HTTP answer."""
    return head(200, {"content-type": kind, "content-length": str(len(data))}) + data


def edited(text: str | None = BROKEN, **changes: Any) -> JsonDict:
    """Make a completion and change fields of its only choice, or of the message with `message=`."""
    made = completion(text)
    choice = made["choices"][0]
    if isinstance(changes.get("message"), Mapping):
        changes["message"] = {**choice["message"], **changes["message"]}
    choice.update(changes)
    return made


def without(made: JsonDict, *keys: str) -> JsonDict:
    """Leave out top-level keys."""
    return {key: value for key, value in made.items() if key not in keys}


SSE = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
DONE = b"data: [DONE]\n\n"
PAGE = b"<!doctype html><html><body><h1>Please log in</h1></body></html>"


def sse(*parts: bytes | float | Callable[[Peer], None], end: bytes = LAST_CHUNK) -> Wire:
    """Stream: bytes as chunks of the transfer encoding, pauses, and a clean end."""
    steps: list[Step] = [head(200, SSE)]
    steps += [http_chunk(part) if isinstance(part, bytes) else part for part in parts]
    return wire(*steps, end)


def frames(made: str | JsonDict = BROKEN, *, size: int = 4) -> list[bytes]:
    """Write the events of a stream, without its `[DONE]`."""
    return [frame(part) for part in chunks(made, size=size)]


def said(text: str, **more: Any) -> bytes:
    """Write one event that adds *text*."""
    return delta({"content": text}, **more)


def delta(change: Mapping[str, Any], *, finish_reason: str | None = None, **more: Any) -> bytes:
    """Write one event with the delta of the only choice."""
    part = chunks("")[0]
    part["choices"] = [{"index": 0, "delta": dict(change), "finish_reason": finish_reason}]
    return frame({**part, **more})


def ended(reason: str = "stop") -> bytes:
    """Write the event that ends the only choice."""
    return delta({}, finish_reason=reason)
