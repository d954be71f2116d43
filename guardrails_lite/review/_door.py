"""Who may come in: names, tokens, sessions, and what a browser is told to refuse.

Without tokens the desk is for whoever sits at this machine: it answers on loopback only, and only to the
names of loopback, so that no web page can reach it under a name of its own (DNS rebinding). With tokens each
reviewer has one; a session is a signed cookie. Every form carries a value that only this session's pages
know, so no other page can post one (CSRF).

A session ends when it has not been used for a while, and a day after it began. Wrong tokens are counted
(`Tries`): after too many, none is looked at for a while. Whoever has come in shows none, and works on.

Whoever comes in has no session yet, and so no such value. So that no other page signs a reviewer in under
somebody else's name (login CSRF), what a browser says another page sent is refused, before anything else.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._verdicts import person
from guardrails_lite.review._tries import Tries

COOKIE: Final = "guardrails_lite_desk"
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
IDLE_S: Final = 8 * 3600
"""A session that has not been used for so long has ended."""
LONGEST_S: Final = 24 * 3600
"""And one that began so long ago."""
_SHORTEST: Final = 16

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Session:
    """A reviewer who has come in."""

    reviewer: str
    nonce: str
    began_s: int = 0
    """When, by the door's clock."""


@dataclass(frozen=True, slots=True)
class Door:
    """Lets reviewers in."""

    reviewer: str
    """Who sits here, where there are no tokens."""
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The token of each reviewer."""
    hosts: tuple[str, ...] = LOOPBACK
    """The names that this desk answers to."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, from any beginning: a session does not outlive the process that signed it."""
    _tries: Tries = field(default_factory=Tries, repr=False)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def answers_to(self, host: str) -> bool:
        """Whether the header ``Host`` names this desk."""
        return _name(host) in self.hosts

    def is_from_elsewhere(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether a browser says that another page than the desk's made this request.

        By ``Sec-Fetch-Site``, which browsers send to loopback and over HTTPS, and by ``Origin``, which they
        send with every form. A link to the desk may be anywhere; programs send neither.
        """
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            follows_link = headers.get("sec-fetch-mode") == "navigate" and method in ("GET", "HEAD")
            if not follows_link or headers.get("sec-fetch-dest", "document") != "document":
                return True
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is None or method in ("GET", "HEAD"):
            return False
        place = origin.partition("://")[2]
        if _name(place) == _name(host):  # another port is another program
            return _without_default_port(place) != _without_default_port(host)
        return not self.answers_to(place)  # a proxy may ask under a name of ours that is not its own

    def who(self, cookie: str | None, authorization: str | None, address: str) -> Session | None:
        """The session of a request from *address*; None: it has to come in first."""
        if authorization is not None and authorization.startswith("Bearer "):
            reviewer = self._reviewer_of(authorization.removeprefix("Bearer "), address)
            return Session(reviewer, "") if reviewer is not None else None
        return self._seen_before(cookie or "") or (None if self.tokens else self._begin(self.reviewer))

    def enter(self, token: str, address: str) -> Session | None:
        """A new session for whoever has *token*."""
        reviewer = self._reviewer_of(token, address)
        return self._begin(reviewer) if reviewer is not None else None

    def wait_s(self) -> int:
        """For how many more seconds no token is looked at, as too many were wrong."""
        return self._tries.wait_s(self.clock())

    def cookie(self, session: Session) -> str:
        """What a browser keeps of *session*, which is used now."""
        name = quote(session.reviewer).replace("~", "%7E")
        told = f"{name}~{session.nonce}~{session.began_s}~{int(self.clock())}"
        return f"{told}~{self._sign('session', told)}"

    def form_token(self, session: Session) -> str:
        """What every form of *session* carries."""
        return self._sign("form", session.nonce)

    def may_post(self, session: Session, given: str) -> bool:
        """Whether a form comes from a page of this *session*."""
        return bool(session.nonce) and hmac.compare_digest(given.encode(), self.form_token(session).encode())

    def _begin(self, reviewer: str) -> Session:
        return Session(reviewer, secrets.token_hex(16), int(self.clock()))

    def _seen_before(self, cookie: str) -> Session | None:
        """The session that *cookie* was made of, if it was made here and has not ended."""
        told, _, signed = cookie.rpartition("~")
        if not hmac.compare_digest(signed.encode(), self._sign("session", told).encode()):
            return None
        name, nonce, began, used = told.split("~")
        now_s = self.clock()
        if self.tokens and (now_s - int(used) >= IDLE_S or now_s - int(began) >= LONGEST_S):
            return None
        return Session(unquote(name), nonce, int(began))

    def _reviewer_of(self, token: str, address: str) -> str | None:
        """Whose *token* this is. All are compared, each in constant time."""
        if self.wait_s():
            return None
        given = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for reviewer, held in self.tokens.items():
            if hmac.compare_digest(given, sha256(held.encode()).digest()):
                found = reviewer
        if found is None:
            self._tries.count(self.clock(), address)
        return found

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._secret, f"{purpose}\0{text}".encode(), sha256).hexdigest()


def _name(host: str) -> str:
    """The name in a header ``Host``, without its port."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.strip("[]").lower()


def _without_default_port(host: str) -> str:
    return host.lower().removesuffix(":443").removesuffix(":80")


def read_tokens(path: str) -> dict[str, str]:
    """The reviewers in the file *path*: a name, a space and a token on each line.

    Raises:
        ConfigError: it cannot be read, has a line of another form, a token that is too short or is used
            twice, or nobody in it.
    """
    try:
        lines = [line.split() for line in Path(path).read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(f"{path}: the tokens cannot be read ({why})") from error
    if not lines or any(len(line) != 2 for line in lines):
        raise ConfigError(f"{path}: expected one reviewer a line: a name, a space, a token")
    if any(len(token) < _SHORTEST for _, token in lines):
        raise ConfigError(
            f"{path}: a token needs at least {_SHORTEST} characters; `openssl rand -hex 16` makes one"
        )
    tokens = dict(line for line in lines)
    if len(set(map(person, tokens))) != len(lines) or len(set(tokens.values())) != len(lines):
        raise ConfigError(f"{path}: a name or a token occurs twice")
    return tokens


class Threshold:
    """Around everything: the names it answers to, and the headers of every answer."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                held = {name.lower() for name, _ in message["headers"]}
                message["headers"] += [
                    (name.lower().encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.lower().encode() not in held
                ]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._door.answers_to(headers.get("host", "")):
            refusal = PlainTextResponse("This desk does not answer to that name; see --host-name.\n", 421)
            await refusal(scope, receive, told)
        elif self._door.is_from_elsewhere(scope["method"], headers):
            refusal = PlainTextResponse("This was sent by a page that is not this desk's.\n", 403)
            await refusal(scope, receive, told)
        else:
            await self._app(scope, receive, told)
