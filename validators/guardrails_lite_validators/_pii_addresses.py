"""Addresses of machines and mailboxes: e-mail, web, IP and MAC addresses."""

# ruff: noqa: E501 - lists of words read best with long lines

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails_lite_validators._pii_context import Around, words

Candidate = tuple[str, int, int, float]

# --- e-mail -----------------------------------------------------------------------------------------


def emails(text: str) -> Iterator[Candidate]:
    """Addresses in a text with an ``@``, by RFC 5321 without quoted local parts; letters of any script."""
    for found in _ADDRESS.finditer(text, text.index("@")):
        at = found.start()
        local = _LOCAL.match(text[max(at - 64, 0) : at][::-1])
        assert local is not None
        start = at - local.end()
        if start < at and ".." not in text[start:at]:
            yield "EMAIL_ADDRESS", start, found.end("domain"), 0.95


# From the sign on, since the engine skips to a single character; the domain is looked at ahead, for the
# next address may begin in it, and the local part from its end.
_ADDRESS = re.compile(
    r"@(?<=[\w%+'-]@)(?=(?P<domain>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_](?:[\w-]{0,22}[^\W_])(?![\w@])))"
)
_LOCAL = re.compile(r"(?:[\w.%+'-]*[\w%+])?")

# --- web --------------------------------------------------------------------------------------------

_LINK = re.compile(
    r"(?i)(?:https?://|(?<![\w.@/-])www\.)(?P<user>[^\s/@:<>\"']{1,64}(?::[^\s/@<>\"']{0,64})?@)?"
    r"(?P<host>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,5}[^\W\d_]{2,18})(?::[0-9]{2,5})?"
    r"(?P<path>/[^\s<>\"'`)\]}|\\]{0,150})?(?P<query>\?)?"
)
_LINK_WORDS = words(
    "my site, my website, my homepage, my blog, my page, my profile, homepage, portfolio, personal site, website, "
    "personal website, profile, my url, her site, his site, webseite, meine seite, mon site, mi página, il mio sito"
)
_PERSONAL_PATH = re.compile(
    r"(?i)/(?:~|@|(?:in|user|users|u|people|person|profile|profiles|author|member|members|channel)/)[\w.-]{2,}|/profile\.php"
)
_PEOPLE_SITES = re.compile(
    r"(?i)(?:^|\.)(?:linkedin|facebook|instagram|twitter|x|tiktok|t|vk|xing|mastodon|strava|snapchat|telegram)\."
    r"(?:com|me|social|net)$"
)
_PUBLIC_SITES = re.compile(
    r"(?i)(?:^|\.)(?:example|localhost|google|youtube|wikipedia|wikimedia|github|gitlab|githubusercontent|stackoverflow|"
    r"python|pypi|npmjs|docker|mozilla|w3|apache|microsoft|apple|amazon|amazonaws|openai|cloudflare|ietf|rfc-editor|"
    r"reddit|medium|nytimes|bbc|cnn|arxiv|doi|readthedocs|gnu|kernel|debian|ubuntu|opensource|schema|json-schema|"
    r"creativecommons|golang|rust-lang|nodejs|bing|duckduckgo|huggingface|shields|badgen|travis-ci|codecov)\.[a-z.]{2,8}$"
    r"|(?:^|[.-])(?:docs?|api|cdn|static|assets|img|images|developer|dev|test|staging)\.|\.(?:test|local|invalid|internal|gov|edu)$"
)


def links(text: str) -> Iterator[Candidate]:
    """Web addresses that may point to a person: a home page, a profile, or one that holds a name.

    A link deep into a site says little about anybody, and one to a well-known public site says nothing;
    both have a score below one half.
    """
    found = _LINK.search(text)
    while found is not None:
        host, path = found["host"], (found["path"] or "").rstrip(".,;:!?*_")
        end = found.start("path") + len(path) if found["path"] else found.end("host")
        score = 0.3
        if found["user"] or _PERSONAL_PATH.search(path) or (_PEOPLE_SITES.search(host) and len(path) > 2):
            score = 0.8
        elif _PUBLIC_SITES.search(host):
            score = 0.1
        elif len(path) <= 1 and not found["query"]:
            score = 0.6
        elif Around(text, found.start(), end).has(_LINK_WORDS):
            score = 0.7
        yield "URL", found.start(), end, score
        found = _LINK.search(text, found.start() + 1)


# --- IP addresses -----------------------------------------------------------------------------------

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/[0-9]{{1,2}})?(?![\w]|\.[0-9])")
_IP_WORDS = words(
    "ip, ips, ipv4, address, host, server, ping, ssh, dns, subnet, gateway, client, from, login, logged, remote, "
    "adresse, dirección, indirizzo, endereço, адрес"
)
_VERSION_WORDS = words(
    "v, version, versions, release, section, sections, chapter, clause, build, rev, firmware, driver, article, "
    "paragraph, figure, table, oid, upgrade, upgraded, update"
)
_NOBODY = ("0.", "127.0.0.", "255.")


def ipv4s(text: str, start: int) -> Iterator[Candidate]:
    """Four octets that are neither a version, a section number, nor an address of nobody."""
    found = _IPV4.match(text, start)
    before = text[start - 1] if start else " "
    if found is None or before in ".-_" or (before == "/" and text[start - 2 : start] != "//"):
        return
    address = found.group()
    if address.startswith(_NOBODY):
        return
    score = 0.8
    around = Around(text, start, found.end())
    if around.has(_IP_WORDS):
        score = 0.95
    elif around.has(_VERSION_WORDS) or max(int(octet) for octet in address.partition("/")[0].split(".")) < 20:
        score = 0.3
    yield "IP_ADDRESS", start, found.end(), score


_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]")


def ipv6s(text: str) -> Iterator[Candidate]:
    """Eight groups, or fewer with ``::``, as `ipaddress` reads them."""
    first = text.find(":")
    if first == text.rfind(":") or _COLONS.search(text, first) is None:
        return
    import ipaddress

    for found in _IPV6.finditer(text):
        if len(found.group()) < 7:
            continue
        try:
            address = ipaddress.IPv6Address(found.group())
        except ValueError:
            continue
        if not address.is_loopback and not address.is_unspecified:
            yield "IP_ADDRESS", *found.span(), 0.85


# --- MAC addresses ----------------------------------------------------------------------------------

# From the first mark on, to which `find` is quickest: the digits before it are looked at after. The first and
# the last mark of an address are at least so far apart.
_MACS = tuple(
    (
        mark,
        size,
        (size + 1) * times,
        re.compile(rf"\{mark}(?:[0-9A-Fa-f]{{{size}}}\{mark}){{{times}}}[0-9A-Fa-f]{{{size}}}(?![\w:-])"),
    )
    for mark, size, times in ((":", 2, 4), ("-", 2, 4), (".", 4, 1))
)
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def macs(text: str) -> Iterator[Candidate]:
    """Six pairs with colons or hyphens, or three groups with points; not all zeros nor the broadcast."""
    for mark, size, apart, pattern in _MACS:
        first = text.find(mark)
        found = pattern.search(text, first) if text.rfind(mark) - first >= apart else None
        while found is not None:
            start = found.start() - size
            digits = re.sub("[^0-9a-f]", "", text[max(start, 0) : found.end()].lower())
            if (
                start >= 0
                and _HEXADECIMAL.issuperset(text[start : found.start()])
                and (start == 0 or not (text[start - 1].isalnum() or text[start - 1] in "_:-."))
                and len(set(digits)) > 1
                and (size == 2 or not digits.isdigit())
            ):
                yield "MAC_ADDRESS", start, found.end(), 0.9
            found = pattern.search(text, found.start() + 1)
