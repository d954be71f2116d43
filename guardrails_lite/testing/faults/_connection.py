"""Faults of the connection: refused, reset, silent, slow."""

from __future__ import annotations

import socket

from guardrails_lite.testing._shapes import completion
from guardrails_lite.testing._wire import LAST_CHUNK, Peer, head, http_chunk
from guardrails_lite.testing.faults._fault import (
    BROKEN,
    DONE,
    FAILED,
    LATE,
    LONG_S,
    PAGE,
    SSE,
    TEXT,
    Variant,
    drip,
    fault,
    frames,
    json_bytes,
    whole,
    wire,
)

_BODY = json_bytes(completion(BROKEN))
_HEAD = head(200, {"content-type": "application/json", "content-length": str(len(_BODY))})
_CUT = ("FALL", "RETRY", LATE)


def _half_close(peer: Peer) -> None:
    peer.sock.shutdown(socket.SHUT_WR)


_ASKED = whole(json_bytes(completion(TEXT)))
_UNASKED = whole(_BODY)


def _answer_unasked(peer: Peer) -> None:
    peer.send(_ASKED)


CONNECTION_FAULTS = (
    fault("C01", "refused", (FAILED, LATE), wire(Peer.reset), place="refused", times=99),
    fault("C02", "no such host", (FAILED, LATE), wire(Peer.reset), place="unresolvable", times=99),
    fault(
        "C03",
        "reset before the first byte",
        "RETRY",
        (
            Variant("before reading the request", wire(Peer.reset), place="greeting"),
            Variant("after reading the request", wire(Peer.reset)),
        ),
    ),
    fault("C04", "closed after the request", "RETRY", wire(Peer.hang_up)),
    fault("C05", "reset after the headers", "RETRY", wire(_HEAD, Peer.reset)),
    fault(
        "C06", "body shorter than promised", "RETRY", wire(_HEAD, _BODY[:150], Peer.hang_up), streamed=False
    ),
    fault("C07", "stale connection", "RETRY", wire(Peer.hang_up), warm=True),
    fault("C08", "no room in the backlog", (FAILED, LATE), wire(Peer.reset), place="full", times=99),
    fault("C09", "never an answer", _CUT, wire(LONG_S)),
    fault("C10", "headers dripped", _CUT, wire(*drip(_HEAD + _BODY, 0.2), Peer.hang_up)),
    fault("C11", "body dripped", _CUT, wire(_HEAD, *drip(_BODY, 0.4), Peer.hang_up), streamed=False),
    fault(
        "C12",
        "half closed, then silence",
        _CUT,
        {
            "before the answer": wire(_half_close, LONG_S),
            "after the headers": wire(_HEAD, _half_close, LONG_S),
        },
    ),
    fault("C13", "no connection left in the pool", ("DELIVER", FAILED, LATE)),
    fault(
        "C14",
        "the answer comes before the request",
        ("DELIVER", "RETRY"),
        wire(_answer_unasked),
        place="greeting",
        streamed=False,
    ),
    fault(
        "C15",
        "bytes behind a whole answer",
        "RETRY",
        {
            "another answer": wire(_ASKED + _UNASKED),
            "half of another": wire(_ASKED + _UNASKED[:-10]),
            "a stream": wire(
                _ASKED + head(200, SSE) + b"".join(map(http_chunk, [*frames(), DONE])) + LAST_CHUNK
            ),
            "no HTTP": wire(_ASKED + PAGE),
        },
        place="earlier",
        warm=True,
    ),
)
