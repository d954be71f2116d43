"""`secrets`: keys, tokens, passwords and private keys.

Told by a vendor's form, by a structure (PEM, JSON web token, credentials in a URL) or by the name they
are given (``api_key = …``, "my password is …"). Placeholders, references to variables, hashes, UUIDs,
integrity digests and public keys are not secrets.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterator

from guardrails_lite import Finding, Validator, validator
from guardrails_lite_validators._pieces import pieces_of
from guardrails_lite_validators._secret_places import in_commands, in_password_files, is_behind_login
from guardrails_lite_validators._secret_values import (
    is_key_like,
    is_password,
    is_placeholder,
    is_reference,
)
from guardrails_lite_validators._spans import outermost

LONGEST = 440
"""The most characters of one secret that a finding covers; what follows is no use without them."""
WINDOW = 640

Candidate = tuple[str, int, int]

MESSAGES = {
    "API_KEY": "contains a key or token of a known form",
    "JSON_WEB_TOKEN": "contains a JSON web token",
    "PASSWORD": "contains a password",
    "PRIVATE_KEY": "contains a private key",
    "SECRET": "contains a secret by the name it is given",
    "URL_CREDENTIALS": "contains a password inside a URL",
}


def secrets() -> Validator:
    """Find credentials: vendors' keys, private keys, web tokens, passwords and assigned secrets.

    The category says which kind (`MESSAGES` lists them). A private key is masked line by line, so that
    a stream need not be held for it; a block of more than eight such lines is taken for one whatever
    its first line said, so long certificates are masked in part.
    """

    @validator(name="secrets", window=WINDOW, params={})
    def find(text: str) -> list[Finding]:
        return outermost(
            Finding(
                MESSAGES[kind], span=(start, min(end, start + LONGEST)), category=kind, score=_SCORES[kind]
            )
            for kind, start, end in _candidates(text)
        )

    return find


_SCORES = {
    "API_KEY": 0.95,
    "JSON_WEB_TOKEN": 0.9,
    "PASSWORD": 0.7,
    "PRIVATE_KEY": 1.0,
    "SECRET": 0.75,
    "URL_CREDENTIALS": 0.9,
}


def _candidates(text: str) -> Iterator[Candidate]:
    long = [(start, end) for start, end in pieces_of(text).long if end - start >= _SHORTEST_KEY]
    if long:
        yield from _vendor_keys(text, long)
        if any(end - start >= 64 for start, end in long):
            yield from _key_lines(text)
        for span in in_password_files(text, long):
            yield "PASSWORD", *span
    if "PRIVATE KEY" in text or "PuTTY-User-Key" in text:
        yield from _private_keys(text)
    if ":" in text and "://" in text:  # one character is far quicker to look for than three
        yield from _url_passwords(text)
    for span in in_commands(text):
        yield "PASSWORD", *span
    yield from _assigned(text)


_SHORTEST_KEY = 16


# --- forms of vendors -------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Za-z0-9_\-]+")


def _vendor_keys(text: str, long: list[tuple[int, int]]) -> Iterator[Candidate]:
    """Keys by their beginnings, in the pieces without blanks that are long enough to hold one."""
    from guardrails_lite_validators import _secret_formats as formats

    table = formats.by_beginning()
    for first, last in long:
        for word in _WORD.finditer(text, first, last):
            start = word.start()
            for _, pattern in table.get(text[start : start + 2], ()):
                found = pattern.match(text, start)
                if found is not None and not is_placeholder(found.group(1)):
                    yield "API_KEY", start, found.end()
                    break
            if text.startswith("eyJ", start):
                yield from _web_token(text, start)
    searched = "\n".join([text[first:last] for first, last in long])
    for _, literal, pattern in formats.after_literal():
        at = text.find(literal) if literal in searched else -1
        while at >= 0:
            found = pattern.match(text, at + len(literal))
            if found is not None and not is_placeholder(found.group()):
                yield "API_KEY", at + len(literal), found.end()
            at = text.find(literal, at + 1)
    for _, literal, pattern in formats.around_literal():
        at = text.find(literal) if literal in searched else -1
        while at >= 0:
            for found in pattern.finditer(text, max(at - 100, 0), at + 100):
                if not is_placeholder(found.group()):
                    yield "API_KEY", *found.span()
            at = text.find(literal, at + 1)
    for _, literal, pattern in formats.apart():
        at = text.find(literal)
        while at >= 0:
            found = pattern.match(text, at)
            if found is not None and not is_placeholder(found.group(1)):
                yield "API_KEY", *found.span(1)
            at = text.find(literal, at + 1)


_JWT = re.compile(r"(eyJ[A-Za-z0-9_-]{8,200})\.[A-Za-z0-9_-]{8,300}(?:\.[A-Za-z0-9_-]{0,400})?")


def _web_token(text: str, start: int) -> Iterator[Candidate]:
    """A token whose first part is a JSON object that names an algorithm (RFC 7515)."""
    found = _JWT.match(text, start)
    if found is None:
        return
    head = found.group(1)
    try:
        header = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (binascii.Error, ValueError):
        return
    if b'"alg"' in header:
        yield "JSON_WEB_TOKEN", start, min(found.end(), start + LONGEST)


# --- private keys -----------------------------------------------------------------------------------

_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.()\-]{0,400}"
)


def _private_keys(text: str) -> Iterator[Candidate]:
    for found in _PEM.finditer(text):
        yield "PRIVATE_KEY", *found.span()
    at = text.find("PuTTY-User-Key")
    while at >= 0:
        yield "PRIVATE_KEY", at, min(at + LONGEST, len(text))
        at = text.find("PuTTY-User-Key", at + 1)


_BLOCK_LINE = re.compile(r"(?:\n|\\n)(?=((?:[A-Za-z0-9+/]{70}|[A-Za-z0-9+/]{64}))(?:\r?\n|\\n))")


def _key_lines(text: str) -> Iterator[Candidate]:
    """Lines deep inside a block of key material, where its first line is out of sight."""
    if len(text) < 400:
        return
    lines = [found.span(1) for found in _BLOCK_LINE.finditer(text)]
    for position in range(6, len(lines)):
        start, end = lines[position]
        first = lines[position - 6]
        if start - first[0] <= 6 * 72 + 6 and not _is_decoded_text(text[start:end]):
            yield "PRIVATE_KEY", start, end


def _is_decoded_text(line: str) -> bool:
    return base64.b64decode(line + "=" * (-len(line) % 4), validate=False).isascii()


# --- passwords in URLs ------------------------------------------------------------------------------

_URL_PASSWORD = re.compile(r"://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{3,100})@[\w\[.-]")


def _url_passwords(text: str) -> Iterator[Candidate]:
    at = text.find("://")
    while at >= 0:
        found = _URL_PASSWORD.match(text, at)
        if found is not None and not is_placeholder(found.group(1)) and not is_reference(found.group(1)):
            yield "URL_CREDENTIALS", *found.span(1)
        at = text.find("://", at + 3)


# --- values that are named as secrets ---------------------------------------------------------------

_NAMES = (
    "pass", "pwd", "secret", "token", "key", "credential", "bearer", "authorization", "contraseña",
    "kennwort",
    "mot de pas", "senha", "parola", "пароль", "密码",
    "密碼", "パスワード", "비밀번호",
)  # fmt: skip
"""The word at the heart of a name for a secret: a text is searched for these, and read around them."""
_PASSWORDS = frozenset(_NAMES) - {"secret", "token", "key", "credential", "bearer", "authorization"}
_REST = {
    "pass": r"(?:words?|wd|wort|phrase|[_-]?code)?",
    "key": "s?",
    "secret": "s?(?:[_-]?(?:key|token|id|base|value))?",
    "token": "s?",
    "credential": "s?",
    "mot de pas": "se",
}
_ASSIGNMENT = (
    r"[\w.\-]{0,16}[\"'`\])]{0,3}(?:\s(?:for|to|of|on|in)\s(?:[\w.'\-]{1,20}\s){1,4}?(?=is|was|[:=]))?"
    r"(?:\s{0,3}(?:=>|:=|={1,3}|:(?!//|:)|：|>)\s{0,3}"
    r"|\s{0,2}(?:is|was|ist|est|es|são|to|of|è|jest|это)(?:\s{1,2}(?:now|set\sto))?[:\s]\s{0,2}"
    r"|,?\s{1,20}[\"']?value[\"']?\s{0,2}[:=]\s{0,2}"
    r"|(?<=earer)\s|(?<=--password)\s|(?<=-key)\s|(?P<apart>\s{1,2}))"
    r"(?:(?:basic|bearer|token)\s)?(?P<quote>[\"'`]{0,3})"
    r"(?P<value>[^\s\"'`<>{}\[\]()\\;,]{5,200})(?P<close>[\"'`]?)"
)
_OWNERS = (
    "api access secret private auth signing encryption master account app client storage shared admin deploy "
    "license webhook session service consumer subscription application rest server bot user oauth refresh "
    "bearer security ssh integration project publish write read jwt hmac salt org team personal tls ssl"
)
"""What kind of key it is: the word before ``key``, without which a key may be that of a dictionary."""


@functools.cache
def _assignments() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (name, re.compile(name + _REST.get(name, "") + _ASSIGNMENT, re.IGNORECASE)) for name in _NAMES
    )


@functools.cache
def _assignments_in_ascii() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, pattern) for name, pattern in _assignments() if name.isascii())


@functools.cache
def _owners() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What may stand before ``key``: names that may end another word, and short ones that may not."""
    from guardrails_lite_validators._secret_formats import NAMED

    names = (*_OWNERS.split(), *NAMED)
    return tuple(name for name in names if len(name) > 2), tuple(name for name in names if len(name) == 2)


def _assigned(text: str) -> Iterator[Candidate]:
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter whose small form is two characters
        lowered = "".join(char if len(char.lower()) != 1 else char.lower() for char in text)
    for name, pattern in _assignments_in_ascii() if text.isascii() else _assignments():
        at = lowered.find(name)
        while at >= 0:
            found = pattern.match(text, at)
            if found is not None:
                yield from _named(text, at, name, found)
            at = lowered.find(name, at + 1)


def _named(text: str, at: int, name: str, found: re.Match[str]) -> Iterator[Candidate]:
    value = found["value"].rstrip(".!?:")
    start = found.start("value")
    if found["apart"] and not (_stands_out(value, name) or is_behind_login(text, at)):
        return
    if name in _PASSWORDS:
        if is_password(value, quoted=bool(found["quote"])):
            yield "PASSWORD", start, start + len(value)
    elif _names_a_credential(text, at, name) and is_key_like(value):
        yield "SECRET", start, start + len(value)


def _names_a_credential(text: str, at: int, name: str) -> bool:
    """Whether what stands before ``key`` says of what it is, and before ``token`` not that it is none."""
    if name == "key":
        before = text[max(at - 24, 0) : at].lower().removesuffix("\n")
        before = before[:-1] if before[-1:] in "_-. " else before
        names, short = _owners()
        return before.endswith(names) or (before.endswith(short) and not "a" <= before[-3:-2] <= "z")
    return name != "token" or _NO_CREDENTIAL.search(text, max(at - 24, 0), at) is None


_NO_CREDENTIAL = re.compile(
    r"(?:(?<![A-Za-z])(?i:page|paging|pagination|next|prev|previous|continuation|continue|cursor|skip|sync|delta)"
    r"|(?<=[a-z])(?:Page|Next|Prev|Previous|Continuation|Cursor|Skip|Sync|Delta)"
    r"|(?i:public[_\-. ]?key))[_\-. ]?$"
)
"""Makes a token open nothing: the place at which a list goes on, ``nextPageToken``, or an assembly's name."""


def _stands_out(value: str, name: str) -> bool:
    """Whether no word of a sentence would look like this: nothing but a blank is before it."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    if name in _PASSWORDS:
        return mixed and any(map(str.isupper, value)) and not value.isalnum()
    return mixed and len(value) >= 20 and value.isalnum()
