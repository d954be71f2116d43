"""`urls`: links to hosts outside an allow-list.

The host is read as a browser reads it: user names before ``@``, backslashes, upper case, percent
signs, entities, full-width letters, a trailing dot and ports do not hide it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._fold import Reading, replaced
from guardrails_lite_validators._keywords import tuple_of_words
from guardrails_lite_validators._spans import every_match, outermost

LONGEST_URL = 2048

# A scheme with slashes, a bare "//host", "www.", or a bare host of a common ending that has a path.
URL = re.compile(
    rf"""(?ix)
    (?: (?<![a-z0-9+.\-]) [a-z][a-z0-9+.\-]{{1,19}} :? [\\/]{{2}} | (?<![\w:\\/.\-]) (?: // | www\d?\. )
      | (?<=["'(=]) (?: /\\ | \\/ ) (?= [\w\-]{{2,63}} \. [a-z] )
      | (?<![\w@.\-/\\]) (?: [a-z0-9\-]{{1,63}} \. ){{1,4}}
        (?: com|net|org|info|io|dev|app|xyz|top|site|online|shop|club|ru|cn|de|uk|fr|tk|ml|biz|me|co|ly|gg )
        (?= [/?] | :\d ) )
    [^\s<>"'`{{}}|^\x00-\x1f]{{1,{LONGEST_URL}}}
    """
)
_TRAILING = ".,;:!?)]*_\u2026\u3002"


def urls(
    *,
    allow: Iterable[str] = (),
    deny: Iterable[str] = (),
    schemes: Iterable[str] = ("http", "https"),
) -> Validator:
    """Find links whose host is not allowed.

    Args:
        allow: Hosts that may be linked. ``"example.com"`` means that host alone, ``"*.example.com"`` its
            subdomains. Empty: no link at all is allowed, unless `deny` is given.
        deny: Hosts that may not be linked, in the same form. With `deny` alone, all others may.
        schemes: Schemes that may be used.

    Raises:
        ConfigError: an entry that is a whole URL rather than a host, or a single string.
    """
    allowed, denied = hosts_of("urls", "allow", allow), hosts_of("urls", "deny", deny)
    named = tuple_of_words("urls", "schemes", schemes)
    permitted = frozenset(scheme.lower().rstrip(":/") for scheme in named)
    closed = bool(allowed) or not denied
    hosts = {key: list(value) for key, value in (("allow", allowed), ("deny", denied)) if value}

    @validator(
        name="urls",
        window=LONGEST_URL + 320,
        params=hosts | ({"schemes": list(named)} if permitted != {"http", "https"} else {}),
        private=hosts,
    )
    def find(text: str) -> Iterator[Finding]:
        yield from outermost(_found(text))

    def _found(text: str) -> Iterator[Finding]:
        reading = undisguised(text)
        for (start, end), scheme, host in links(reading.text):
            span = reading.span(start, end)
            if scheme and scheme not in permitted:
                yield Finding("links with a scheme that is not allowed", span=span, category="URL")
            elif is_listed(host, denied):
                yield Finding("links to a denied host", span=span, category="URL")
            elif closed and not is_listed(host, allowed):
                yield Finding("links to a host that is not allowed", span=span, category="URL")

    return find


def links(text: str) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Each link's span, its scheme ("" where it has none) and its host as a browser would read it."""
    if "/" not in text and "\\" not in text and "www" not in text.lower():
        return
    for found in every_match(URL, text):
        whole = found.group()
        trimmed = whole.rstrip(_TRAILING)
        for scheme, host in sorted(_readings(trimmed)):
            yield (found.start(), found.start() + len(trimmed)), scheme, host


def _readings(url: str) -> set[tuple[str, str]]:
    """Scheme and host by either reading of a backslash: browsers take it for a slash, others do not."""
    head = re.match(r"(?i)(?:([a-z][a-z0-9+.\-]{0,19}):?)?[\\/]{2,}", url)
    scheme, rest = ((head.group(1) or "").lower(), url[head.end() :]) if head else ("", url)
    hosts = {
        normal_host(re.split(ends, shown, maxsplit=1)[0].rpartition("@")[2])
        for shown in {rest, _unescaped(rest)}
        for ends in (r"[/\\?#]", "[/?#]")
    }
    return {(scheme, host) for host in hosts if host}


def undisguised(text: str) -> Reading:
    """The text with ``://`` wherever a page has one for browsers: in backslashes, or in entities."""
    if "&" not in text and "\\" not in text:
        return Reading(text)
    edits = [(*found.span(), "://") for found in _DISGUISED.finditer(text)]
    return replaced(text, edits) if edits else Reading(text)


_COLON = r"(?::|&colon;|&#0{0,4}58;?|&#x0{0,4}3a;?)"
_SLASH = r"(?:[/\\]|&b?sol;|&#0{0,4}(?:47|92);?|&#x0{0,4}(?:2f|5c);?)"
_DISGUISED = re.compile(rf"(?i)(?!://){_COLON}{_SLASH}{{2}}(?=\w)")


def _unescaped(part: str) -> str:
    """What a page says that has this for an address."""
    if "&" not in part:
        return part
    import html  # its table is large and seldom needed

    return html.unescape(part)


def normal_host(host: str) -> str:
    """A host name in the one form in which it is compared."""
    plain = unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".").lower()
    if not plain.startswith("["):
        plain = plain.partition(":")[0]
    plain = plain.strip(".")
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode()
        except UnicodeError:
            return plain
    return plain


def hosts_of(function: str, parameter: str, hosts: Iterable[str]) -> tuple[str, ...]:
    """Check a list of hosts given by a user, and bring it into the form that is compared."""
    if not isinstance(hosts, str):
        hosts = tuple(hosts)
        if not hosts:
            return ()
    listed = tuple_of_words(function, parameter, hosts)
    for host in listed:
        if "/" in host or "@" in host or host in ("*", "*."):
            raise ConfigError(
                f"{parameter} of {function}(...) has {host!r}; expected a host such as 'example.com' or "
                "'*.example.com', without scheme, path or user name"
            )
    return tuple(
        ("*." if host.startswith("*.") else "") + normal_host(host.removeprefix("*.")) for host in listed
    )


def is_listed(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a host is one of the entries, or a subdomain of one that begins with ``*.``."""
    return any(host.endswith(entry[1:]) if entry.startswith("*.") else host == entry for entry in hosts)
