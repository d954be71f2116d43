"""Sending: what a receiver gets, how it can tell who sent it, and what an error may say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from guardrails_lite import ConfigError
from guardrails_lite.audit.alerts import NotSent, command, webhook
from guardrails_lite.audit.alerts._send import SECRET

IDENT = "a" * 32
BODY = json.dumps({"id": IDENT, "title": "Über"}).encode()


@dataclass
class Hook:
    """A webhook on this machine, and what it was sent."""

    port: int = 0
    status: int = 204
    drips: threading.Event | None = None
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def url(self, before: str = "", path: str = "/in") -> str:
        return f"http://{before}127.0.0.1:{self.port}{path}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A real HTTP server on loopback."""
    told = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.got.append((self.path, headers, body))
            if told.drips is not None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not told.drips.wait(0.01):
                    try:
                        self.wfile.write(b"x-drip: 1\r\n")
                    except OSError:
                        return
                return
            self.send_response(told.status)
            if told.status // 100 == 3:
                self.send_header("location", told.url(path="/elsewhere"))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_gets_the_alert_as_json(hook: Hook) -> None:
    """In a POST, with an id by which it knows a repetition; unsigned where there is no secret."""
    webhook(hook.url(path="/in?team=a"))(IDENT, BODY)
    ((path, headers, body),) = hook.got
    assert (path, body) == ("/in?team=a", BODY)
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == IDENT
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 600
    assert "webhook-signature" not in headers
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("plain text", b"plain text"),
        ("whsec_" + base64.b64encode(b"\0key\xff").decode(), b"\0key\xff"),
    ],
)
def test_a_webhook_can_tell_who_sent_it(hook: Hook, secret: str, key: bytes) -> None:
    """By HMAC-SHA-256 over id, time and body, as Standard Webhooks 1.0 writes it."""
    webhook(hook.url(), secret=secret)(IDENT, BODY)
    ((_, headers, body),) = hook.got
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert secret not in str(hook.got)


def test_a_name_and_a_password_go_into_a_header(hook: Hook) -> None:
    """They are sent, and not as a part of the address."""
    receiver = webhook(hook.url("ada:p%40ss@"))
    receiver(IDENT, BODY)
    ((path, headers, _),) = hook.got
    assert path == "/in"
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"ada:p@ss"
    assert headers["host"] == f"127.0.0.1:{hook.port}"
    assert receiver.name == f"http://127.0.0.1:{hook.port}"
    assert "p@ss" not in repr(receiver)
    assert "p%40ss" not in repr(receiver)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_only_a_status_of_success_takes_it(hook: Hook, status: int) -> None:
    """A redirect is not followed, so an alert and its password stay with the host that was named."""
    hook.status = status
    with pytest.raises(NotSent, match=f"http://127.0.0.1:{hook.port} answered with status {status}$"):
        webhook(hook.url("ada:pass@", "/secret-path"))(IDENT, BODY)
    assert [path for path, _, _ in hook.got] == ["/secret-path"]


def test_a_receiver_that_drips_is_given_up(hook: Hook) -> None:
    """The time is for the whole of a sending, not for each byte of it."""
    hook.drips = threading.Event()
    try:
        with pytest.raises(NotSent, match=r"127\.0\.0\.1:\d+ (took longer than 0\.3 s|could not be)"):
            webhook(hook.url(path="/secret-path"), timeout_s=0.3)(IDENT, BODY)
    finally:
        hook.drips.set()


def test_an_error_names_the_host_and_nothing_else(hook: Hook) -> None:
    """Path, query, name and password of an address are secrets."""
    dead = "http://ada:s3cret@127.0.0.1:1/s3cret?token=s3cret"
    with pytest.raises(NotSent) as raised:
        webhook(dead, secret="s3cret")(IDENT, BODY)
    assert "127.0.0.1:1 could not be reached (" in str(raised.value)
    assert "s3cret" not in "".join([str(raised.value), repr(raised.value), repr(webhook(dead))])
    assert raised.value.__cause__ is None


def test_the_environments_proxy_gets_nothing_that_is_for_this_machine(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain HTTP is for loopback, and a proxy would carry it off."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    webhook(hook.url())(IDENT, BODY)
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://s3cret@alerts.example.org/s3cret", "the webhook on alerts.example.org is not encrypted"),
        ("http://127.0.0.1.example.org/", "is not encrypted"),
        ("ftp://example.org/s3cret", "the webhook is not an address"),
        ("s3cret", "the webhook is not an address"),
        ("https://:s3cret@/x", "the webhook is not an address"),
        ("https://example.org:s3cret/x", "the webhook is not an address"),
        ("https://example.org/s3cret\r\nx: y", "the webhook is not an address"),
        ("https://[::1", "the webhook is not an address"),
    ],
)
def test_addresses_that_are_refused(url: str, said: str) -> None:
    """Beyond this machine only HTTPS; and the error does not quote what may hold a password."""
    with pytest.raises(ConfigError) as raised:
        webhook(url)
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("secret", "said"), [("", "is empty"), ("whsec_", "is empty"), ("whsec_s3cret!", "nor whsec_ and base64")]
)
def test_secrets_that_are_refused(secret: str, said: str) -> None:
    """An empty key signs nothing, and what is no base64 would sign as something else."""
    with pytest.raises(ConfigError, match=said) as raised:
        webhook("https://example.org", secret=secret)
    assert "s3cret" not in str(raised.value)


def program(body: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import os, sys\n{body}")


def test_a_command_gets_the_alert_on_its_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run by its words without a shell, and without the secret that signs webhooks."""
    monkeypatch.setenv(SECRET, "s3cret")
    place = tmp_path / "$(touch hacked); x"
    told = "open(sys.argv[1], 'wb').write(sys.stdin.buffer.read() + str(sorted(os.environ)).encode())"
    receiver = command(*program(told), str(place))
    receiver(IDENT, BODY)
    written = place.read_bytes()
    assert written.startswith(BODY)
    assert SECRET.encode() not in written
    assert b"PATH" in written
    assert os.environ[SECRET] == "s3cret"
    assert [path.name for path in tmp_path.iterdir()] == [place.name]
    assert receiver.name == os.path.basename(sys.executable)
    assert str(place) not in repr(receiver)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (program("sys.exit(3)"), r"^python\S* ended with code 3$"),
        (program("sys.exit()  # reads nothing"), None),
        (("/no/such/s3cret-path/notify", "s3cret"), r"^notify could not be run \(FileNotFoundError\)$"),
        (("\0",), "could not be run"),
    ],
)
def test_a_command_takes_it_by_ending_well(arguments: tuple[str, ...], said: str | None) -> None:
    """Its program's name and what became of it are all that an error says."""
    if said is None:
        command(*arguments)(IDENT, BODY)
        return
    with pytest.raises(NotSent, match=said) as raised:
        command(*arguments)(IDENT, BODY)
    assert "s3cret" not in str(raised.value)


def test_a_command_that_takes_too_long_is_ended() -> None:
    """It is killed, and its alert is not taken."""
    with pytest.raises(NotSent, match=r"took longer than 0\.2 s"):
        command(*program("import time; time.sleep(600)"), timeout_s=0.2)(IDENT, BODY)


def test_a_command_needs_a_program() -> None:
    """Nothing to run is a mistake."""
    for words in ((), ("",)):
        with pytest.raises(ConfigError, match="has no program"):
            command(*words)
