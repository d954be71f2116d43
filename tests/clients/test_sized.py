"""Bodies that would fill the memory, and bodies that are packed: what comes of them in a wrapped client."""

from __future__ import annotations

import gc
import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import Exhausted, Guard, Retry, target
from guardrails_lite.clients import _openai_sized
from guardrails_lite.clients._openai_sized import MOST_BYTES, TooLargeError
from guardrails_lite.testing import HttpReply, LoopbackServer, chunks, completion
from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._server import frame
from tests.clients.asking import SAID, answer, ask

WAYS = [("chat", False), ("chat", True), ("responses", False), ("responses", True)]
KINDS = [openai.OpenAI, openai.AsyncOpenAI]
EVENTS = {"content-type": "text/event-stream"}
BOMB = gzip.compress(b" " * (8 * MOST_BYTES), 9)


def raw_deflate(data: bytes) -> bytes:
    """Deflate without its header, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "GZIP": ("GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "deflate": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
}


def said(api: str, stream: bool, text: str) -> bytes:
    """The body of a good answer."""
    whole = completion(text) if api == "chat" else response_of(completion(text))
    if not stream:
        return json.dumps(whole).encode()
    told = chunks(whole, size=3) if api == "chat" else response_events(whole, size=3)
    end = b"data: [DONE]\n\n" if api == "chat" else b""
    return b"".join(map(frame, told)) + end


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("api", "stream", "status"), [*((*way, 200) for way in WAYS), ("chat", False, 500), ("chat", True, 500)]
)
def test_what_would_fill_the_memory_is_given_up_early(api: str, stream: bool, kind: Any, status: int) -> None:
    """A quarter of a gigabyte in 256 kB: it is not asked for again, and little of it is ever unpacked."""
    records: list[Any] = []
    headers = {"content-encoding": "gzip", **(EVENTS if stream else {})}
    guard = Guard(retry=Retry(attempts=3, wait=0), fallback=[target(model="spare")], log=records.append)
    bomb = HttpReply(BOMB, status=status, headers=headers)
    with LoopbackServer([bomb], then="Oslo.") as server:
        client = guard.wrap(kind(base_url=server.base_url, api_key="k"))
        tracemalloc.start()
        try:
            assert ask(client, api, stream) == "Oslo."
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert [step.result for step in records[0].attempts] == ["malformed reply", "answered"]
    assert peak < 3 * MOST_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_a_length_that_is_too_much_is_believed(kind: Any) -> None:
    """Nothing of such a body is read."""
    records: list[Any] = []
    lengthy = HttpReply(b"{}", headers={"content-length": str(MOST_BYTES + 1)})
    with LoopbackServer([lengthy]) as server:
        guard = Guard(retry=Retry(attempts=2, wait=0), fallback=[target("Sorry.")], log=records.append)
        assert ask(guard.wrap(kind(base_url=server.base_url, api_key="k")), "chat", False) == "Sorry."
    assert records[0].attempts[0].result == "malformed reply"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("api", "stream"), WAYS)
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_packed_body_is_read_as_the_client_reads_it(
    api: str, stream: bool, kind: Any, packing: str
) -> None:
    """In every packing that is asked for, in pieces of any size."""
    name, pack = PACKINGS[packing]
    text = "Oslo is the capital, as Ø, 挪威 and \N{SNOWMAN} know."
    headers = {"content-encoding": name, **(EVENTS if stream else {})}
    reply = HttpReply(pack(said(api, stream, text)), headers=headers, split=7)
    with LoopbackServer([reply]) as server:
        assert ask(Guard().wrap(kind(base_url=server.base_url, api_key="k")), api, stream) == text
        [request] = server.requests
        assert request.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "x"])
def test_a_packing_that_nobody_asked_for_is_malformed(kind: Any, packing: str) -> None:
    """How much comes out of it could not be bounded."""
    records: list[Any] = []
    body = gzip.compress(json.dumps(completion("Oslo.")).encode())
    with LoopbackServer([HttpReply(body, headers={"content-encoding": packing})]) as server:
        guard = Guard(retry=Retry(attempts=1), log=records.append)
        with pytest.raises(Exhausted):
            ask(guard.wrap(kind(base_url=server.base_url, api_key="k")), "chat", False)
    assert [step.result for step in records[0].attempts] == ["malformed reply"]


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=12),
    st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]),
    st.lists(st.integers(1, 40), min_size=1, max_size=40),
)
def test_events_are_counted_one_by_one_in_any_chunks(sizes: list[int], end: bytes, cuts: list[int]) -> None:
    """A stream may be as long as it likes; an event that is too long is seen with the next piece at last."""
    most = 40
    stream = b"".join(b"x" * size + end for size in sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_openai_sized, "MOST_BYTES", most)
        count = _openai_sized._Count(in_events=True)
        pieces = itertools.cycle(cuts)
        at = 0
        try:
            while at < len(stream):
                size = next(pieces)
                assert count.take(stream[at : at + size]) == stream[at : at + size]
                at += size
        except TooLargeError:
            assert max(sizes) + 2 * len(end) > most
        else:
            assert max(sizes) < most + max(cuts)


def test_an_http_client_of_ones_own_stays_open_and_as_it_was() -> None:
    """The guarded twin shares its connections, and is nobody to close them when it is gone."""
    packages = {"httpx": httpx, "httpx2": httpx2}
    package = packages[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]
    with LoopbackServer(then="Oslo.") as server, package.Client() as own:
        before = type(own), dict(vars(own))
        client = Guard().wrap(openai.OpenAI(base_url=server.base_url, api_key="k", http_client=own))
        assert answer(client, "chat", stream=False) == "Oslo."
        assert [model.id for model in client.models.list()]
        del client
        gc.collect()
        assert (type(own), vars(own).keys()) == (before[0], before[1].keys())
        assert not own.is_closed
        bare = openai.OpenAI(base_url=server.base_url, api_key="k", http_client=own)
        assert bare.chat.completions.create(model="m", messages=SAID).choices[0].message.content == "Oslo."
