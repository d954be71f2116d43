"""The formats of JSON Schema, asserted: dates, addresses, names, references, in the words of their RFCs.

Every check is a function from a text to yes or no, in time linear in the text. Formats that are not in this
table are unknown and say nothing, as JSON Schema has it; `explain_schema` names them as not enforceable.
"""

from __future__ import annotations

import calendar
import ipaddress
import re
from collections.abc import Callable

Holds = Callable[[str], bool]

_MAX_CHARS = 10_000
"""Longer texts are none of these."""


def checker(name: object, draft: int) -> Holds | None:
    """The check of a format in a draft (4, 6, 7, 2019, 2020); None where the draft has no such format."""
    if not isinstance(name, str):
        return None
    found = _FORMATS.get(name)
    if found is None or draft < found[0]:
        return None
    holds = found[1]
    return lambda text: len(text) <= _MAX_CHARS and holds(text)


def _whole(pattern: str, flags: int = 0) -> Holds:
    compiled = re.compile(pattern, flags | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


# -- dates and times: RFC 3339 -------------------------------------------------------------------------

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_TIME = re.compile(
    r"(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_DURATION = re.compile(
    r"P(?:\d+W|(?=\d|T\d)(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?"
    r"(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)",
    re.ASCII,
)


def _date(text: str) -> bool:
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    if not 1 <= month <= 12:
        return False
    # The year 0 is a leap year of the proleptic calendar; `calendar` starts at 1.
    return 1 <= day <= calendar.monthrange(year or 2000, month)[1]


def _time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    hour, minute, second = (int(part) for part in match.groups()[:3])
    sign, offset_hour, offset_minute = match.groups()[3:]
    if sign is not None and (int(offset_hour) > 23 or int(offset_minute) > 59):
        return False
    if hour > 23 or minute > 59 or second > 60:
        return False
    if second < 60:
        return True
    # A leap second is the last of a day in UTC.
    offset = 0 if sign is None else int(sign + "1") * (int(offset_hour) * 60 + int(offset_minute))
    return (hour * 60 + minute - offset) % 1440 == 1439


def _date_time(text: str) -> bool:
    return len(text) > 11 and text[10] in "Tt" and _date(text[:10]) and _time(text[11:])


def _duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None


# -- hosts ---------------------------------------------------------------------------------------------

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_MAX_HOST = 253


def _hostname(text: str) -> bool:
    return text.isascii() and len(text) <= _MAX_HOST and _labels(text.split("."))


def _idn_hostname(text: str) -> bool:
    return _labels(_DOTS.split(text))


def _labels(labels: list[str]) -> bool:
    """Whether labels make a host name by IDNA 2008, right-to-left labels included."""
    import idna

    total = 0
    decoded: list[str] = []
    for label in labels:
        try:
            total += _label_length(label) + 1
            decoded.append(idna.ulabel(label) if label[:4].lower() == "xn--" else label)
        except (idna.IDNAError, UnicodeError, ValueError, IndexError):
            return False
    if total - 1 > _MAX_HOST:
        return False
    if all(label.isascii() for label in decoded):
        return True
    try:
        if any(idna.check_bidi(label) and _is_right_to_left(label) for label in decoded if label):
            for label in decoded:
                idna.check_bidi(label, check_ltr=True)
    except idna.IDNAError:
        return False
    return True


def _label_length(label: str) -> int:
    """The length of a label as ASCII; raises where it is none."""
    import idna

    if not label.isascii():
        idna.check_label(label)
        encoded = len(idna.alabel(label))
        if encoded > 63:
            raise ValueError("a label of more than 63 octets")
        return encoded
    if _LABEL.fullmatch(label) is None:
        raise ValueError("not letters, digits and hyphens")
    if label[:4].lower() == "xn--":
        decoded = idna.ulabel(label)
        if decoded.isascii() or idna.alabel(decoded).decode() != label.lower():
            raise ValueError("not the one form of its name")
    return len(label)


def _is_right_to_left(label: str) -> bool:
    import unicodedata

    return any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in label)


def _ipv4(text: str) -> bool:
    return _whole_ipv4(text)


_whole_ipv4 = _whole(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)")


def _ipv6(text: str) -> bool:
    if "%" in text or not text.isascii() or len(text) > 45:
        return False
    head, _, tail = text.rpartition(":")
    if "." in tail and not _ipv4(tail):
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return bool(head) or text == "::"


# -- mail: RFC 5321, RFC 6531 --------------------------------------------------------------------------

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"')
_WIDE_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_WIDE_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"')


def _email(text: str) -> bool:
    return _mailbox(text, (_ATOM, _QUOTED), _hostname)


def _idn_email(text: str) -> bool:
    import unicodedata

    return _mailbox(
        text, (_WIDE_ATOM, _WIDE_QUOTED), lambda host: _idn_hostname(unicodedata.normalize("NFC", host))
    )


def _mailbox(text: str, locals_: tuple[re.Pattern[str], ...], host: Holds) -> bool:
    local, at, domain = text.rpartition("@")
    if not at or not any(pattern.fullmatch(local) for pattern in locals_) or len(local.encode()) > 64:
        return False
    if domain.startswith("[") and domain.endswith("]"):
        address = domain[1:-1]
        if address[:5].lower() == "ipv6:":
            return _ipv6(address[5:])
        return _ipv4(address)
    return host(domain)


# -- references: RFC 3986, 3987, 6570, 6901 ------------------------------------------------------------

_UCS = (
    "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
    "\U00010000-\U0001fffd\U00020000-\U0002fffd\U00030000-\U0003fffd\U00040000-\U0004fffd"
    "\U00050000-\U0005fffd\U00060000-\U0006fffd\U00070000-\U0007fffd\U00080000-\U0008fffd"
    "\U00090000-\U0009fffd\U000a0000-\U000afffd\U000b0000-\U000bfffd\U000c0000-\U000cfffd"
    "\U000d0000-\U000dfffd\U000e1000-\U000efffd"
)
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"


def _reference(*, wide: bool, absolute: bool) -> Holds:
    letters = _UCS if wide else ""
    character = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@{letters}-]|%[0-9A-Fa-f]{{2}})"
    first_segment = rf"(?:[A-Za-z0-9._~!$&'()*+,;=@{letters}-]|%[0-9A-Fa-f]{{2}})+"
    user = rf"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:{letters}-]|%[0-9A-Fa-f]{{2}})*@)?"
    name = rf"(?:[A-Za-z0-9._~!$&'()*+,;={letters}-]|%[0-9A-Fa-f]{{2}})*"
    host = rf"(?:\[(?P<literal>[^\]]*)\]|{name})"
    authority = rf"//{user}{host}(?::\d*)?(?:/{character}*)*"
    rooted = rf"/(?:{character}+(?:/{character}*)*)?"
    rootless = rf"{character}+(?:/{character}*)*"
    private = _PRIVATE if wide else ""
    query = rf"(?:\?(?:{character}|[/?{private}])*)?"
    fragment = rf"(?:\#(?:{character}|[/?])*)?"
    scheme = r"[A-Za-z][A-Za-z0-9+.-]*:"
    whole = re.compile(rf"{scheme}(?:{authority}|{rooted}|{rootless}|){query}{fragment}", re.ASCII)
    relative = re.compile(
        rf"(?:{authority}|{rooted}|{first_segment}(?:/{character}*)*|){query}{fragment}", re.ASCII
    )
    future = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+")

    def holds(text: str) -> bool:
        match = whole.fullmatch(text) or (None if absolute else relative.fullmatch(text))
        if match is None:
            return False
        literal = match.group("literal")
        return literal is None or _ipv6(literal) or future.fullmatch(literal) is not None

    return holds


_VARIABLE = (
    r"(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+(?:\.(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+)*(?:\*|:[1-9][0-9]{0,3})?"
)
_TEMPLATE = re.compile(
    rf"(?:[^\x00-\x20\x7f\"<>\\^`{{|}}%]|%[0-9A-Fa-f]{{2}}|\{{[+#./;?&=,!@|]?{_VARIABLE}(?:,{_VARIABLE})*\}})*"
)


def _uri_template(text: str) -> bool:
    return _TEMPLATE.fullmatch(text) is not None and not re.search(r"\{[=,!@|]", text)


_json_pointer = _whole(r"(?:/(?:[^~/]|~[01])*)*", re.DOTALL)
_relative_json_pointer = _whole(r"(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~[01])*)*)", re.DOTALL)
_uuid = _whole(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


# -- regular expressions: ECMA-262 ----------------------------------------------------------------------

_ECMA_ESCAPE = re.compile(
    r"\\(?:c[A-Za-z]|k<\w+>|[pP]\{[^}]*\}|u\{[0-9A-Fa-f]+\}|[dDsSwWbBtnvfr0-9ux]|[^A-Za-z0-9])", re.DOTALL
)


def _regex(text: str) -> bool:
    """Whether it is a regular expression of ECMA-262: put into Python's and compiled, never run."""
    out: list[str] = []
    at = 0
    in_class = False
    while at < len(text):
        here = text[at]
        if here == "\\":
            escape = _ECMA_ESCAPE.match(text, at)
            if escape is None:
                return False
            at = escape.end()
            named = escape.group()
            out.append(f"(?P={named[3:-1]})" if named.startswith("\\k") else "x" if len(named) > 2 else named)
            if named in ("\\u", "\\x", "\\b", "\\B", "\\0"):
                out[-1] = "x" if in_class or named[1] in "ux0" else named
            continue
        if in_class:
            in_class = here != "]"
            # Python warns of set operations to come where these stand twice.
            out.append("\\" + here if here in "[&~|" or out[-1] == here == "-" else here)
        elif text.startswith("[]", at) or text.startswith("[^]", at):
            out.append("x")
            at = text.index("]", at)
        elif here == "[":
            in_class = True
            out.append("[")
        elif here == "(" and text.startswith("(?", at):
            if text.startswith(("(?:", "(?=", "(?!"), at):
                out.append("(")
            elif text.startswith(("(?<=", "(?<!"), at):
                # Python's look-behind has a fixed width; what is inside must be a pattern all the same.
                out.append("(?=")
                at += 3
            elif text.startswith("(?<", at):
                out.append("(?P<")
                at += 2
            else:
                return False
        else:
            out.append(here)
        at += 1
    try:
        re.compile("".join(out))
    except (re.error, RecursionError, OverflowError):
        return False
    return True


_FORMATS: dict[str, tuple[int, Holds]] = {
    "date-time": (4, _date_time),
    "date": (7, _date),
    "time": (7, _time),
    "duration": (2019, _duration),
    "email": (4, _email),
    "idn-email": (7, _idn_email),
    "hostname": (4, _hostname),
    "idn-hostname": (7, _idn_hostname),
    "ipv4": (4, _ipv4),
    "ipv6": (4, _ipv6),
    "uri": (4, _reference(wide=False, absolute=True)),
    "uri-reference": (6, _reference(wide=False, absolute=False)),
    "iri": (7, _reference(wide=True, absolute=True)),
    "iri-reference": (7, _reference(wide=True, absolute=False)),
    "uri-template": (6, _uri_template),
    "uuid": (2019, _uuid),
    "json-pointer": (6, _json_pointer),
    "relative-json-pointer": (7, _relative_json_pointer),
    "regex": (4, _regex),
}
"""Each format with the draft that brought it."""
