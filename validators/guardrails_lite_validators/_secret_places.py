"""Passwords told by their place: the argument of a command, a column of a line.

No name stands beside them. The one part that is quick to look for is found first (an option, a row of
colons), and only then what must stand around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite_validators._secret_values import is_password

Span = tuple[int, int]

_VALUE = r"(?P<quote>[\"']?)(?P<value>[^\s\"'`<>{}\[\]()\\;,|]{5,100})"
_USER = r"[\"']?[^\s:\"'$<{]{1,64}:"
_OPTIONS: dict[str, tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = {
    " -u": ((re.compile(rf" -u\s?{_USER}{_VALUE}"), ("curl ",)),),
    " --": ((re.compile(rf" --user[ =]{_USER}{_VALUE}"), ("curl ",)),),
    " -p": (
        (re.compile(rf" -p{_VALUE}"), ("mysql", "mariadb")),
        (re.compile(rf" -p\s?{_VALUE}"), ("sshpass ", "docker login ", "podman login ")),
    ),
    " -a": ((re.compile(rf" -a\s{_VALUE}"), ("redis-cli ",)),),
}
"""How an option begins, how it is given a password, and the commands of which this is true."""
_LONGEST_COMMAND = 240


def in_commands(text: str) -> Iterator[Span]:
    """Passwords among the arguments of commands: ``curl -u ada:…``, ``mysql -u ada -p…``."""
    at = text.find(" -")
    while at >= 0:
        for pattern, commands in _OPTIONS.get(text[at : at + 3], ()):
            found = pattern.match(text, at)
            if found is not None and _is_argument(text, at, commands):
                value = found["value"]
                if not _PORTS.fullmatch(value) and is_password(value, quoted=bool(found["quote"])):
                    yield found.span("value")
        at = text.find(" -", at + 1)


_PORTS = re.compile("[0-9.:]+")
"""What ``-p`` gives to ``docker run``, whose container may be called as one of the commands is."""


def _is_argument(text: str, at: int, commands: Iterable[str]) -> bool:
    """Whether one of *commands* stands before, on the same line or on one that goes on."""
    before = text[max(at - _LONGEST_COMMAND, 0) : at + 1]
    begins = max(map(before.rfind, commands))
    return begins >= 0 and _NEXT_COMMAND.search(before, begins) is None


_NEXT_COMMAND = re.compile(r"(?<!\\)\n|\s[|;&]|;\s")


_PORT = re.compile(r":(?:[0-9]{4,5}|\*):")
_PASSWORD_FILE = re.compile(
    r"(?![0-9A-Fa-f:]+\Z)[^\s:]{1,100}:(?:[0-9]{4,5}|\*):(?![0-9]+:)[^\s:]{1,63}:[^\s:]{1,63}:([^\s:\"']{6,100})"
)


def in_password_files(text: str, pieces: Iterable[Span]) -> Iterator[Span]:
    """The last of the five columns of ``.pgpass``, of those *pieces* that have no blank in them."""
    if ":" not in text or _PORT.search(text) is None:
        return
    for start, end in pieces:
        if text.count(":", start, end) == 4:
            found = _PASSWORD_FILE.fullmatch(text, start, end)
            if found is not None and is_password(found[1], quoted=False):
                yield found.span(1)


_LOGIN = re.compile(
    r"\b(?:machine\s{1,8}\S{1,100}|default)\s{1,8}login\s{1,8}\S{1,64}\s{1,8}(?:account\s{1,8}\S{1,64}\s{1,8})?$"
)


def is_behind_login(text: str, at: int) -> bool:
    """Whether the word at *at* follows a login, as ``password`` does in ``.netrc``."""
    return _LOGIN.search(text, max(at - 240, 0), at) is not None
