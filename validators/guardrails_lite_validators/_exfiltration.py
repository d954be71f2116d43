"""`exfiltration`: links in a reply whose address carries data away.

A page that renders a reply loads its images, frames and styles without being asked, so a link that the
model was tricked into writing sends whatever its address holds. Each address is taken apart, wherever it
stands (Markdown, reference definitions, HTML, CSS, plain text), and its parts are weighed: text in a
parameter, encoded text, placeholders, personal data, names such as ``data=``, collecting hosts. A link
that loads by itself weighs more than one that must be clicked.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_plus

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._fold import Reading
from guardrails_lite_validators._secret_values import entropy
from guardrails_lite_validators._spans import outermost
from guardrails_lite_validators._urls import hosts_of, is_listed, normal_host, undisguised

LONGEST = 1000
"""An address longer than this is cut here; its length alone makes it suspect where it loads by itself."""
_BEFORE = 200
_NESTED = 4
"""So many addresses inside a cut one push what follows out of sight."""


def exfiltration(*, allow: Iterable[str] = (), threshold: float = 0.5) -> Validator:
    """Find links that carry data in their address.

    Args:
        allow: Hosts that may receive data, as in `urls`.
        threshold: The score, from 0 to 1, from which a link is reported.

    Raises:
        ConfigError: an entry that is not a host, or a threshold that is not from 0 to 1.
    """
    allowed = hosts_of("exfiltration", "allow", allow)
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of exfiltration(...) must be from 0 to 1")
    params: dict[str, object] = {"allow": list(allowed)} if allowed else {}
    if threshold != 0.5:
        params["threshold"] = threshold

    @validator(
        name="exfiltration",
        window=_BEFORE + LONGEST + 100,
        params=params,
        private={"allow": allowed} if allowed else None,
    )
    def find(text: str) -> list[Finding]:
        reading = _as_browsers_do(text)
        says, category = "links to an address that carries data", "EXFILTRATION"
        return outermost(
            Finding(says, span=reading.span(*span), category=category, score=score)
            for span, score in _weighed(reading.text, allowed)
            if score >= threshold
        )

    return find


def _as_browsers_do(text: str) -> Reading:
    """The text with a slash for each backslash in an address, as browsers take it (WHATWG URL)."""
    reading = undisguised(text)
    if "\\" not in text:
        return reading
    shown = _BACKSLASHES.sub(lambda found: found.group().replace("\\", "/"), reading.text)
    return Reading(shown, reading.back)


_BACKSLASHES = re.compile(r"(?:(?<=//)|(?<=[\"'(=])[/\\]{2})[\w.:-]{1,100}(?:\\[\w.%~-]{0,100}){0,9}")
"""From a host on, or from the two slashes before it, where no scheme stands before them."""


def _weighed(text: str, allowed: tuple[str, ...]) -> Iterator[tuple[tuple[int, int], float]]:
    last, reach = -_BEFORE, 0
    at = text.find("//") if "/" in text else -1  # one character is far quicker to look for than two
    while at >= 0:
        ahead = text[at - 1] if at else " "
        scheme = _SCHEME.search(text, max(at - 8, 0), at) if ahead == ":" else None
        if scheme is not None or ahead in "\"'(=[ \n<":
            found = _ADDRESS.match(text, at, at + 2 + LONGEST)
            inside = at - last < _BEFORE and at < reach
            last, reach = at, found.end() if found is not None else 0
            if found is not None and not inside:
                rest = found.group(1).rstrip(".,;:!?*_")
                host, before, path = _split(rest)
                if not is_listed(host, allowed):
                    start = scheme.start() if scheme is not None else at
                    loads = _loads_by_itself(text, start)
                    score = _score(host, before, path, loads=loads)
                    if reach >= at + LONGEST and (loads or rest.count("//") >= _NESTED):
                        score += 0.5
                    yield (start, at + 2 + len(rest)), round(min(score, 1.0), 2)
        at = text.find("//", at + 2)
    if "=" not in text and "]" not in text:
        return
    lowered = text.lower()
    if "script" in lowered or "text/html" in lowered:
        for found in _ACTIVE.finditer(text):
            yield found.span(), 0.8


_ADDRESS = re.compile(
    r"//((?:[^\s<>\"'`|^\\\x00-\x1f)(,;]++|[,;](?![a-z]{2,5}://)|\([^\s()\"']{0,80}\)|<[\w .-]{1,40}>)+)",
    re.IGNORECASE,
)
"""Addresses in a list without spaces are several; one inside another is weighed as a part of it."""
_SCHEME = re.compile(r"(?:https?|ftp|wss?):\Z", re.IGNORECASE)
_ACTIVE = re.compile(
    r"(?i)(?:\]\(|(?:href|src|action|data)\s{0,2}=\s{0,2}[\"']?)\s{0,3}(?:javascript|vbscript|data\s{0,1}:\s{0,1}text/html)\s{0,2}[:;,][^\s\"'>]{0,200}"
)
_LOADER = re.compile(
    r"(?is)(?:!\[[^\]]{0,150}\]\(\s{0,3}<?"
    r"|<(?:img|iframe|script|link|source|embed|object|video|audio|input|svg|image|use|body|table|td|meta|form|base|div|span|style|feimage|html|applet|button)\b[^>]{0,180}"
    r"|(?:url|image-set)\(\s{0,2}[\"']?|@import\s{1,2}[\"']?|\b(?:src|ping|poster)\s{0,2}=\s{0,2}[\"']?|\bping\s{0,2}=[^>]{0,80})\Z"
)
_REFERENCE = re.compile(r"(?:^|\n)[\s>*+-]{0,8}\[[^\]\n]{1,80}\]:\s{1,3}<?\Z")


def _loads_by_itself(text: str, start: int) -> bool:
    before = text[max(start - _BEFORE, 0) : start]
    return bool(_LOADER.search(before[-_BEFORE:]) or _REFERENCE.search(before[-90:]))


def _split(rest: str) -> tuple[str, str, str]:
    """The host, the user name and password before it, and all that follows it."""
    authority = _AUTHORITY.match(rest).group()  # type: ignore[union-attr]  # it matches any text
    before, _, host = authority.rpartition("@")
    return normal_host(host), before, rest[len(authority) :]


_AUTHORITY = re.compile(r"[^/?#]*")


# --- weighing one address ---------------------------------------------------------------------------

_COLLECTORS = re.compile(
    r"(?:^|\.)(?:webhook\.site|requestbin\.\w+|pipedream\.net|ngrok(?:-free)?\.(?:io|app|dev)|burpcollaborator\.net|oastify\.com"
    r"|interact\.sh|oast\.\w+|beeceptor\.com|requestcatcher\.com|hookb\.in|postb\.in|canarytokens\.\w+|dnslog\.\w+|ceye\.io"
    r"|pastebin\.com|transfer\.sh|file\.io|trycloudflare\.com|serveo\.net|localtunnel\.me|loca\.lt)$"
)
_TELLING = re.compile(
    r"(?i)^(?:data|exfil\w*|secrets?|leak\w*|stolen|steal|cookies?|passw\w*|pwd|pass|creds?|credentials?|ssn|conv\w*|chat\w*|history|hist"
    r"|prompts?|sys\w*prompt|context|ctx|payload|info|dump|loot|api_?key|apikey|private\w*|user_?data|userinfo|summary|content|contents|memory|transcript"
    r"|emails?|mail|phone|address|card|cc|iban|messages?|msg|note|log|out|output|result|answer|reply|response|text|body|x|d|p|b64|enc|blob|stuff|val|value|pii|balance|account\w*)$"
)
_HARMLESS = re.compile(
    r"(?i)^(?:w|h|width|height|size|fit|crop|fm|format|quality|auto|dpr|v|ver|version|rev|id|ids|ixid|ixlib"
    r"|page|tab|lang|hl|locale|ref|source|src|index|sort|order|branch|logo|logocolor|color|theme|cache\w*|cb|ts"
    r"|x-(?:amz|goog)-\w+|signature|sig|expires|key-pair-id|policy|awsaccesskeyid|fbclid|gclid|msclkid|si|feature|hash|etag|token|code|state|nonce|client_id|redirect_uri"
    r"|response_type|url|u|link|img|image|lat|lon|lng|zoom|cht|chs|chd|d|r|default|media|download|version_id)$"
)
_WORDY = re.compile(
    r"(?i)^(?:utm_\w+|q|query|search|s|k|keywords?|term|list|filter|category|style|label|scope|title|subject|name|center|markers|chl|alt|f|p|t|:~:text)$"
)
"""Harmless names whose values are words that people type; the others' are not."""
_PLACEHOLDER = re.compile(
    r"\{\{?\s?[\w .$-]{1,60}\}|\$\{?[A-Z_]{3,40}\}?|(?:%7B|%3C|\[|<)[\w .%+-]{2,60}(?:%7D|%3E|\]|>)"
    r"|(?:INSERT|REPLACE|YOUR|USER|SECRET|CONVERSATION|SYSTEM|CHAT|DATA|SUMMARY)_[A-Z_]{2,40}"
)
_OF_A_CHAT = re.compile(r"(?i)conversation|history|prompt|secret|summary|chat|password|user_?data")
_ISSUED = re.compile(
    r"(?<![\da-zA-Z])(?:\d{3}[- ]\d{2}[- ]\d{4}|\d{4}(?:[- ]\d{4}){3}|[3-6]\d{15})(?![\da-zA-Z])"
    r"|(?<![A-Za-z0-9])(?:[sp]k[-_]|gh[po]_|xox[bp]-|AKIA|AIza)[-_A-Za-z0-9]{12,}"
)
"""Numbers of cards, also from their end, of insured people, and keys: no page has one in its address."""
_REACHES = re.compile(r"[\w.+-]{1,64}@[\w-]{1,60}\.\w{2,}|\+\d{9,14}(?!\d)")
"""What somebody is reached at, which many a page has in its path."""
_SHOWING = re.compile(
    r"(?:^|\.)(?:shields\.io|badgen\.net|placehold\.co|placeholder\.com|dummyimage\.com|quickchart\.io|chart\.googleapis\.com"
    r"|latex\.codecogs\.com|mermaid\.ink|kroki\.io|wa\.me|api\.whatsapp\.com|t\.me|twitter\.com|x\.com|linkedin\.com|facebook\.com)$"
)
"""Public services that draw or post what an address says; nobody can read there what others sent."""
_ABOUT = re.compile(
    r"(?i)(?<![a-z])(?:users?|names?|passw\w{0,5}|pin|patients?|customers?|clients?|accounts?|balance|salary|ceo|emails?|secrets?|ssn|credit|invoice"
    r"|diagnos\w{1,5}|address|phone|private|confidential|api|login|earns|has|is|was|wants|says|said|told|lives|asked"
    r"|owes|paid|transferred|bought|booked|lost|forgot|treated|suffers|pregnant|hired|fired|resigned|divorced|arrested)(?![a-z])"
)
"""Words of what is told about somebody."""


def _score(host: str, before: str, path: str, *, loads: bool, depth: int = 0) -> float:
    score = 0.0
    if _COLLECTORS.search(host):
        score += 0.6
    elif _NUMERIC.fullmatch(host):
        score += 0.15
    labels = host.split(".")[:-2]
    if any(_is_opaque(label, 22) or _reads_as_text(label) for label in labels) or sum(map(len, labels)) > 60:
        score += 0.5
    plain, _, fragment = path.partition("#")
    route, _, query = plain.partition("?")
    told = unquote_plus(f"{before} {query} {fragment}").replace("_", " ")
    led = unquote_plus(route).replace("_", " ")
    if _ISSUED.search(f"{told}/{led}") or _REACHES.search(f"{told}/{led}" if loads else told):
        score += 0.6
    if _SHOWING.search(host):
        return score
    if any(map(path.__contains__, "{$[<_%")) and (blank := _PLACEHOLDER.search(path)):
        score += 0.5 if loads or _OF_A_CHAT.search(blank.group()) else 0.35
    parts = [_value_score(*_pair(pair), loads=loads, depth=depth) for pair in re.split(r"[&;]", query)[:40]]
    if fragment:
        name, value = _pair(fragment)
        parts.append(_value_score(name, value, loads=loads, depth=depth) - 0.05 * (not (name and loads)))
    if before:
        password = before.partition(":")[2] or before
        parts.append(_value_score("data", password, loads=loads, depth=depth) + 0.3 * loads)
    return score + max(parts) + _route_score(route, loads=loads)


_NUMERIC = re.compile(r"[\d.]+|\[.*|0x[\da-f]+")


def _pair(text: str) -> tuple[str, str]:
    """The name and the value; the signs at the end of base64 part nothing."""
    name, mark, value = text.partition("=")
    return (name, value) if mark and value.strip("=") else ("", text)


def _value_score(name: str, value: str, *, loads: bool, depth: int) -> float:
    if len(value) < 4:
        return 0.0
    text = unquote_plus(value)
    telling, wordy = bool(_TELLING.match(name)), bool(_WORDY.match(name))
    harmless = wordy or bool(_HARMLESS.match(name))
    score = 0.0
    if _reads_as_text(value) or _reads_as_text(text):
        score = 0.7
    elif text.startswith(("http://", "https://", "//")):
        if depth > 1:
            return 0.0
        inner = _split(text.partition("//")[2])
        return _score(*inner, loads=loads, depth=depth + 1)
    elif text.startswith("/"):
        return 0.0
    elif text.startswith('{"') or text.endswith('"{') or (words := _words(text, " ")) >= 3:
        score = 0.5 if loads else 0.0 if wordy else 0.3 + 0.25 * _is_told(text)
    elif (
        words < 3 and _words(text, "-_.") >= 4 and (not harmless or ((loads or telling) and _is_about(text)))
    ):
        score = 0.5 if loads else 0.25 + 0.25 * _is_about(text)
    elif _is_opaque(text, 20) and not harmless:
        if not loads:
            return 0.45 if telling else 0.3
        score = 0.45 if name else 0.5
    elif not harmless and loads and len(text) >= 8 and not text.isalpha():
        score = 0.15
    if telling and not (harmless and score <= 0.3):
        score += 0.4 if loads else 0.25
    if len(text) > 200 and not harmless:
        score += 0.3
    return score


def _route_score(route: str, *, loads: bool) -> float:
    best = 0.0
    segments = route.split("/")[:30]
    for position, segment in enumerate(segments):
        if len(segment) < 8:
            continue
        name, _, ending = segment.rpartition(".")
        part = name if name and len(ending) <= 5 else segment
        led = segments[position - 1] if position else ""
        telling = len(led) > 2 and bool(_TELLING.match(led))
        text = unquote_plus(part)
        about = _is_about(text)
        if _reads_as_text(part):
            best = max(best, 0.7)
        elif _words(text, " ") >= 3:
            best = max(best, 0.5 if loads else 0.3 + 0.25 * _is_told(text))
        elif loads and about and _words(text, "-_") >= 4 and (telling or _SPECIFIC.search(text)):
            best = max(best, 0.5)
        if telling and (_is_opaque(part, 16) or _words(text, " ") >= 3):
            best = max(best, 0.5)
    return best


def _is_about(text: str) -> bool:
    return _ABOUT.search(text) is not None


def _is_told(text: str) -> bool:
    """Whether words are about somebody, also where they are written backwards."""
    if _is_about(text):
        return True
    from guardrails_lite_validators._common_words import common_words

    common = common_words()
    backwards = [word for word in _WORD.findall(text.lower()) if word not in common and word[::-1] in common]
    return len(backwards) > 1


_SPECIFIC = re.compile(r"\d|[A-Z]|(?:^|[-_ ])(?:the|our|my|a|is|has|to)[-_ ]")


def _words(text: str, marks: str) -> int:
    """How many words of two letters and more there are, where one of these marks parts them."""
    return len(_WORD.findall(text)) if any(mark in text for mark in marks) else 0


_WORD = re.compile(r"[^\W\d_]{2,}")


def _is_opaque(text: str, least: int) -> bool:
    """A long token that no one would type, and that is not a plain hash in hexadecimal."""
    return (
        len(text) >= least
        and re.fullmatch(r"[\w+/=~.-]+", text) is not None
        and not re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f-]{36}|\d+", text, re.IGNORECASE)
        and entropy(text) > 3.4
        and any(char.isdigit() for char in text)
        and any(char.isalpha() for char in text)
    )


@functools.lru_cache(maxsize=256)
def _reads_as_text(token: str) -> bool:
    """Whether a token is text in base64, base32, hexadecimal or turned around."""
    if not 12 <= len(token) <= LONGEST or not _TOKEN.fullmatch(token):
        return False
    raw = token.replace("%3D", "=").replace("%2B", "+").replace("%2F", "/")
    for candidate in (raw, raw[::-1]):
        for decode in (_base64, bytes.fromhex, _base32):
            try:
                decoded = decode(candidate)
            except (ValueError, binascii.Error):
                continue
            if len(decoded) >= 7 and _is_readable(decoded):
                return True
    return False


_TOKEN = re.compile(r"[\w+/=%-]+")


def _base64(token: str) -> bytes:
    plain = token.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _base32(token: str) -> bytes:
    plain = token.rstrip("=").upper()
    return base64.b32decode(plain + "=" * (-len(plain) % 8))


def _is_readable(data: bytes) -> bool:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return False
    return text.isprintable() or all(char.isprintable() or char in "\r\n\t" for char in text)
