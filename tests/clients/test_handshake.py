"""A server that takes a connection up and says nothing in TLS: what ends the handshake, and what is left."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guardrails_lite import Budget, Clocks, DeadlineExceeded, Exhausted, Guard, Hedge, Retry
from guardrails_lite.testing import LoopbackServer, Request, Wire
from guardrails_lite.testing._wire import Peer, head
from tests.clients.asking import aanswer, answer

SOON_S = 0.4
OWN_S = 5
"""When the client gives up by itself."""

CLOCK = {"clocks": Clocks(connect_s=SOON_S), "retry": Retry(attempts=2, wait=0)}
DEADLINE = {"budget": Budget(deadline_s=SOON_S)}
HEDGED = {**DEADLINE, "hedge": Hedge(after_s=0.05, max_share=1.0)}


@pytest.fixture
def mute() -> Iterator[LoopbackServer]:
    """It waits for a request in plain HTTP, and is greeted in TLS. The garbage collector closes nothing."""
    gc.collect()
    gc.disable()
    try:
        with LoopbackServer() as server:
            yield server
    finally:
        gc.enable()


def ask(settings: dict[str, Any], server: LoopbackServer, style: str, stream: bool) -> tuple[Any, float]:
    """The record of a call, and the seconds it took; its connections are closed before its client is."""
    written: list[Any] = []
    guard: Guard[Any] = Guard(log=written.append, **settings)
    url = f"https://127.0.0.1:{server.port}/v1"

    def call() -> float:
        with openai.OpenAI(api_key="k", base_url=url) as bare, guard.wrap(bare) as client:
            began_s = time.monotonic()
            with pytest.raises((DeadlineExceeded, Exhausted)):
                answer(client, "chat", stream)
            took_s = time.monotonic() - began_s
            assert server.wait_idle(OWN_S)
        return took_s

    async def acall() -> float:
        async with openai.AsyncOpenAI(api_key="k", base_url=url) as bare:
            began_s = time.monotonic()
            with pytest.raises((DeadlineExceeded, Exhausted)):
                await aanswer(guard.wrap(bare), "chat", stream)
            took_s = time.monotonic() - began_s
            assert await asyncio.to_thread(server.wait_idle, OWN_S)
        return took_s

    took_s = asyncio.run(acall()) if style == "async" else call()
    [record] = written
    return record, took_s


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_the_clock_for_connecting_goes_on_in_the_handshake(
    mute: LoopbackServer, style: str, stream: bool
) -> None:
    """There is no connection before it has ended."""
    record, _ = ask(CLOCK, mute, style, stream)
    assert record.outcome == "transport failed"
    assert [(step.result, step.error, step.blame) for step in record.attempts] == [
        ("timeout", "connect", "network"),
        ("timeout", "connect", "network"),
    ]
    for step in record.attempts:
        assert SOON_S - 0.01 <= step.duration_us / 1e6 < OWN_S - 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("settings", [DEADLINE, HEDGED], ids=["alone", "hedged"])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_deadline_ends_a_handshake(
    mute: LoopbackServer, style: str, settings: dict[str, Any], stream: bool
) -> None:
    """Of each send that is under way."""
    record, took_s = ask(settings, mute, style, stream)
    assert record.outcome == "deadline passed"
    assert {step.result for step in record.attempts} <= {"timeout", "cancelled"}
    assert SOON_S - 0.01 <= took_s < OWN_S - 1


def test_an_http_client_of_ones_own_is_left_in_its_thread(mute: LoopbackServer) -> None:
    """The call ends; its connection is closed when the client's own time-out for the handshake comes."""
    url = f"https://127.0.0.1:{mute.port}/v1"
    with (
        httpx2.Client() as http_client,
        openai.OpenAI(api_key="k", base_url=url, http_client=http_client) as bare,
        Guard(budget=Budget(deadline_s=SOON_S)).wrap(bare) as client,
    ):
        began_s = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            answer(client, "chat", stream=False)
        assert time.monotonic() - began_s < OWN_S - 1
        assert mute.wait_idle(2 * OWN_S)


CONNECTS_S, CONNECT_S = 1.0, 1.25
"""How long a connection takes without its TLS, and how long it may take with it."""


class SlowBackend(httpcore2.AnyIOBackend):
    """Connects as a server does that is far away."""

    async def connect_tcp(self, *args: Any, **more: Any) -> Any:
        """Connect, and take long over it."""
        await asyncio.sleep(CONNECTS_S)
        return await super().connect_tcp(*args, **more)


class SlowTransport(httpx2.AsyncBaseTransport):
    """Sends over such connections."""

    def __init__(self) -> None:
        self._pool = httpcore2.AsyncConnectionPool(network_backend=SlowBackend())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send; nothing ever comes back."""
        url = request.url
        origin = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            await self._pool.handle_async_request(
                httpcore2.Request("POST", origin, content=b"", extensions=request.extensions)
            )
        except httpcore2.ConnectTimeout as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        raise AssertionError("a server that is mute has answered")


def test_an_async_handshake_has_what_is_left_of_the_time_to_connect(mute: LoopbackServer) -> None:
    """And not as much once more."""
    written: list[Any] = []
    guard: Guard[Any] = Guard(clocks=Clocks(connect_s=CONNECT_S), retry=Retry(attempts=1), log=written.append)

    async def call() -> None:
        async with (
            httpx2.AsyncClient(transport=SlowTransport()) as http_client,
            openai.AsyncOpenAI(
                api_key="k", base_url=f"https://127.0.0.1:{mute.port}/v1", http_client=http_client
            ) as bare,
        ):
            with pytest.raises(Exhausted):
                await aanswer(guard.wrap(bare), "chat", False)
            assert await asyncio.to_thread(mute.wait_idle, OWN_S)

    asyncio.run(call())
    [step] = written[0].attempts
    assert (step.result, step.error, step.blame) == ("timeout", "connect", "network")
    assert CONNECT_S - 0.01 <= step.duration_us / 1e6 < CONNECTS_S + CONNECT_S - 0.1


# --- with a server that shakes hands ---


class SecureServer(LoopbackServer):
    """Speaks TLS, with a certificate of its own."""

    def __init__(self, folder: Path, **answers: Any) -> None:
        super().__init__(**answers)
        self.certificate = _certified(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, folder / "key.pem")

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`."""
        return f"https://127.0.0.1:{self.port}/v1"

    def _serve(self, peer: Peer) -> None:
        peer.sock = self._context.wrap_socket(peer.sock, server_side=True)
        super()._serve(peer)


def begun(peer: Peer, request: Request) -> None:
    """Begin an answer, and wait until the client has gone."""
    peer.send(head(200, {"content-type": "text/event-stream", "content-length": "1000"}))
    peer.read_request()
    peer.hang_up()


def _certified(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    written = folder / "certificate.pem"
    written.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return written


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_after_the_handshake_all_is_as_without(
    style: str, stream: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are answered, and one whose answer is only begun is ended by the deadline."""
    with SecureServer(tmp_path, script=["Oslo.", "Oslo.", Wire(begun)]) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        patient: Guard[Any] = Guard()
        hurried: Guard[Any] = Guard(**DEADLINE)

        def call() -> None:
            with openai.OpenAI(api_key="k", base_url=server.base_url) as bare:
                with patient.wrap(bare) as client:
                    assert [answer(client, "chat", stream) for _ in range(2)] == ["Oslo.", "Oslo."]
                with hurried.wrap(bare) as client, pytest.raises(DeadlineExceeded):
                    answer(client, "chat", stream)

        async def acall() -> None:
            async with openai.AsyncOpenAI(api_key="k", base_url=server.base_url) as bare:
                client = patient.wrap(bare)
                assert [await aanswer(client, "chat", stream) for _ in range(2)] == ["Oslo.", "Oslo."]
                with pytest.raises(DeadlineExceeded):
                    await aanswer(hurried.wrap(bare), "chat", stream)

        if style == "async":
            asyncio.run(acall())
        else:
            call()
        assert server.wait_idle(OWN_S)
        assert server.request_count == 3
