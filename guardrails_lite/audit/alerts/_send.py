"""Where alerts go: a webhook, or a command. Each gets the alert as JSON, and may fail to take it.

A webhook is signed as Standard Webhooks 1.0 says, so that its receiver can tell who sent it, when, and
whether it has it already: a sending whose answer was lost is repeated under the same id.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from guardrails_lite._errors import ConfigError
from guardrails_lite._loopback import is_loopback
from guardrails_lite.audit._unreached import why

SECRET: Final = "GUARDRAILS_LITE_WEBHOOK_SECRET"
"""The variable of the environment that holds the secret of the signature."""


class NotSent(Exception):
    """An alert was not taken. Its text names the receiver by what is no secret, and says why."""


class Receiver(Protocol):
    """Takes alerts."""

    @property
    def name(self) -> str:
        """What it is called in the log: its host or its program, never a path, a name or a password."""

    def __call__(self, ident: str, body: bytes) -> None:
        """Take the alert with the id *ident*, as JSON.

        Raises:
            NotSent: it was not taken.
        """


@dataclass(frozen=True, slots=True)
class _Webhook:
    name: str
    address: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    key: bytes | None = field(repr=False)
    timeout_s: float
    leaves: bool
    """Whether it may leave this machine, and so ask the proxy of the environment."""

    def __call__(self, ident: str, body: bytes) -> None:
        import http.client
        import urllib.error
        import urllib.request

        class Stay(urllib.request.HTTPRedirectHandler):
            """Follows nobody: an alert goes where it was told to."""

            def redirect_request(self, *args: Any) -> None:
                return None

        proxies = () if self.leaves else (urllib.request.ProxyHandler({}),)
        opener = urllib.request.build_opener(Stay, *proxies)
        request = urllib.request.Request(self.address, body, self._headers(ident, body), method="POST")
        try:
            with opener.open(request, timeout=self.timeout_s):
                pass  # the status is all there is to know
        except urllib.error.HTTPError as error:
            error.close()
            raise NotSent(f"{self.name} answered with status {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotSent(f"{self.name} could not be reached ({why(error)})") from None

    def _headers(self, ident: str, body: bytes) -> dict[str, str]:
        sent = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "user-agent": "guardrails-lite",
            "webhook-id": ident,
            "webhook-timestamp": sent,
            **self.headers,
        }
        if self.key is not None:
            signed = hmac.digest(self.key, f"{ident}.{sent}.".encode() + body, "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers


@dataclass(frozen=True, slots=True)
class _Command:
    name: str
    arguments: tuple[str, ...] = field(repr=False)
    timeout_s: float

    def __call__(self, ident: str, body: bytes) -> None:
        environment = {name: value for name, value in os.environ.items() if name != SECRET}
        try:
            subprocess.run(
                self.arguments,
                input=body,
                check=True,
                timeout=self.timeout_s,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
        except subprocess.CalledProcessError as error:
            raise NotSent(f"{self.name} ended with code {error.returncode}") from None
        except subprocess.TimeoutExpired:
            raise NotSent(f"{self.name} took longer than {self.timeout_s:g} s") from None
        except (OSError, ValueError) as error:
            raise NotSent(f"{self.name} could not be run ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class _Bounded:
    """Another receiver, given up after its time: a server that drips must not hold all alerts."""

    receiver: Callable[[str, bytes], None] = field(repr=False)
    name: str
    timeout_s: float

    def __call__(self, ident: str, body: bytes) -> None:
        failed: list[NotSent] = []
        taken = threading.Event()

        def send() -> None:
            try:
                self.receiver(ident, body)
            except NotSent as error:
                failed.append(error)
            except Exception as error:  # whatever it is, its text may quote the address
                failed.append(NotSent(f"{self.name} could not be asked ({type(error).__name__})"))
            taken.set()

        threading.Thread(target=send, name="alert", daemon=True).start()
        if not taken.wait(self.timeout_s):
            raise NotSent(f"{self.name} took longer than {self.timeout_s:g} s")
        if failed:
            raise failed[0]


def webhook(url: str, *, secret: str | None = None, timeout_s: float = 10.0) -> Receiver:
    """A receiver that POSTs each alert to *url*; a status of 200 to 299 takes it, and nothing is followed.

    Args:
        url: ``https``, or ``http`` to this machine. A name and a password in it are sent as basic
            authentication. No part of it but the host is ever told.
        secret: Signs what is sent: text, or ``whsec_`` and base64, as Standard Webhooks writes it.
        timeout_s: Seconds for the whole of one sending.

    Raises:
        ConfigError: *url* is no such address, or *secret* is empty or no base64.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or any(ord(one) < 33 for one in url):
        raise ConfigError("the webhook is not an address; expected one such as https://alerts.example.org/in")
    inside = is_loopback(host)
    if parts.scheme == "http" and not inside:
        raise ConfigError(f"the webhook on {host} is not encrypted; http is for this machine, use https")
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port else shown
    headers = {}
    if parts.username is not None:
        told = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = f"Basic {base64.b64encode(told.encode()).decode()}"
    address = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
    name = f"{parts.scheme}://{place}"
    sends = _Webhook(name, address, headers, _key(secret), timeout_s, not inside)
    return _Bounded(sends, name, timeout_s)


def command(*arguments: str, timeout_s: float = 30.0) -> Receiver:
    """A receiver that runs a program for each alert, with the alert on its standard input; no shell.

    It takes the alert by ending with code 0. The signature's secret is not in its environment.

    Raises:
        ConfigError: there is no program.
    """
    if not arguments or not arguments[0]:
        raise ConfigError("the command for alerts has no program")
    return _Command(os.path.basename(arguments[0]), arguments, timeout_s)


def _key(secret: str | None) -> bytes | None:
    if secret is None:
        return None
    try:
        key = (
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
            if secret.startswith("whsec_")
            else secret.encode()
        )
    except (binascii.Error, ValueError):
        raise ConfigError("the webhook's secret is neither text nor whsec_ and base64") from None
    if not key:
        raise ConfigError("the webhook's secret is empty")
    return key
