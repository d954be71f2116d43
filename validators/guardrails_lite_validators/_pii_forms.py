"""The forms of personal data: each a small function from a place in a text to candidates.

A form is tried where a group of digits begins (or the word that holds it), reads a bounded piece of
text, and yields ``(entity, start, end, score)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from guardrails_lite_validators._checksums import iso7064_mod97_10, luhn

Candidate = tuple[str, int, int, float]
Form = Callable[[str, int, int], Iterator[Candidate]]

DIGITS = re.compile("[0-9]+")
_LONGEST_TOKEN = 40


def token_start(text: str, at: int) -> int:
    """Where the word that holds ``text[at]`` begins, at most 40 characters back."""
    stop = max(at - _LONGEST_TOKEN, 0)
    while at > stop and (text[at - 1].isalnum() or text[at - 1] == "_"):
        at -= 1
    return at


def context(*words: str) -> re.Pattern[str]:
    """Whole words that make an entity likely when one stands nearby."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)


def near(words: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether one of the words stands within about five words before or three after."""
    return bool(words.search(text[max(start - 48, 0) : start]) or words.search(text[end : end + 24]))


# --- e-mail -----------------------------------------------------------------------------------------


def emails(text: str) -> Iterator[Candidate]:
    """Addresses by RFC 5321 without quoted local parts; letters of any script."""
    at = text.find("@")
    while at >= 0:
        start = at
        stop = max(at - 64, 0)
        while start > stop and (text[start - 1].isalnum() or text[start - 1] in "._%+'-"):
            start -= 1
        while start < at and text[start] in ".'-":
            start += 1
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None and start < at and text[at - 1] != "." and ".." not in text[start:at]:
            yield "EMAIL_ADDRESS", start, domain.end(), 0.95
        at = text.find("@", at + 1)


_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_](?:[\w-]{0,22}[^\W_])(?![\w@])")


# --- payment cards ----------------------------------------------------------------------------------

_CARD = re.compile(
    r"(?:[0-9]{4}([ .-])(?:[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{1,3})?|[0-9]{6}\1[0-9]{4,5})"
    r"|[0-9]{12,19})(?![\w]|[-.][0-9])"
)
_CARD_WORDS = context(
    "cards?",
    "credit",
    "debit",
    "visa",
    "mastercard",
    "maestro",
    "amex",
    "american express",
    "discover",
    "cvv",
    "cvc",
    "pan",
    "karte",
    "kreditkarte",
    "carte",
    "tarjeta",
    "carta",
    "cartao",
    "cartão",
    "kaart",
    "карта",
    "卡号",
    "payment",
)


def cards(text: str, start: int, digits_end: int) -> Iterator[Candidate]:
    """Numbers of an issuer's range and length (ISO/IEC 7812) whose Luhn digit is right."""
    if _begins_inside_number(text, start):
        return
    found = _CARD.match(text, start)
    if found is None:
        return
    number = re.sub("[^0-9]", "", found.group())
    if not is_issued_range(number) or not luhn(number) or len(set(number)) < 2:
        return
    score = 0.9 if len(number) > 13 else 0.6
    if near(_CARD_WORDS, text, start, found.end()):
        score = 1.0
    elif len(number) == 13 and _is_ean13(number):
        score = 0.4
    yield "CREDIT_CARD", start, found.end(), score


def is_issued_range(number: str) -> bool:
    """Whether a payment network issues numbers with this beginning at this length."""
    length, two, three, four, six = (
        len(number),
        int(number[:2]),
        int(number[:3]),
        int(number[:4]),
        int(number[:6]),
    )
    match number[0]:
        case "4":
            return length in (13, 16, 18, 19)
        case "5":
            if 51 <= two <= 55:
                return length == 16
            return two in (50, 56, 57, 58, 59) and 12 <= length <= 19
        case "6":
            return 12 <= length <= 19
        case "2":
            if 2221 <= four <= 2720:
                return length == 16
            return (2200 <= four <= 2205 and 16 <= length <= 19) or (four == 2131 and length == 15)
        case "3":
            if two in (34, 37):
                return length == 15
            if 3528 <= four <= 3589:
                return 16 <= length <= 19
            return (two in (36, 38, 39) or 300 <= three <= 305 or four == 3095) and 14 <= length <= 19
        case "8":
            return two in (81, 82) and 16 <= length <= 19
        case "9":
            return 979200 <= six <= 979289 and length == 16
        case "1":
            return four == 1800 and length == 15
    return False


def _is_ean13(number: str) -> bool:
    total = sum((ord(char) - 48) * (3 if position % 2 else 1) for position, char in enumerate(number))
    return total % 10 == 0


# --- bank accounts ----------------------------------------------------------------------------------

IBAN_LENGTHS = {
    country: length
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FK FO GL NL SD"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "BI DJ FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"),
        (31, "MT SC"),
        (32, "LC"),
        (33, "RU"),
    )
    for country in countries.split()
}
"""Length by country, from the SWIFT IBAN registry."""


def ibans(text: str, start: int, digits_end: int) -> Iterator[Candidate]:
    """Country, length and MOD 97-10, written together or in groups; what follows is not swallowed."""
    length = IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None or not text[start + 2 : start + 4].isdigit():
        return
    taken: list[str] = []
    at = start
    while len(taken) < length and at < len(text):
        char = text[at]
        if char.isascii() and char.isalnum():
            taken.append(char)
        elif char not in " -\u00a0" or at - start < 4 or not text[at - 1].isalnum():
            return
        at += 1
    if len(taken) < length or (at < len(text) and text[at].isalnum()):
        return
    account = "".join(taken).upper()
    if iso7064_mod97_10(account[4:] + account[:4]):
        yield "IBAN_CODE", start, at, 1.0


# --- US social security -----------------------------------------------------------------------------

_SSN = re.compile(
    r"(?!000|666|9)[0-9]{3}(?P<sep>[- .]?)(?!00)[0-9]{2}(?P=sep)(?!0000)[0-9]{4}(?![\w]|-[0-9])"
)
_SSN_WORDS = context(
    "ssn",
    "ssns",
    "social",
    "social security",
    "ss#",
    "ss no",
    "ssid",
    "soc sec",
    "taxpayer",
    "tin",
    "seguro social",
)


def us_ssns(text: str, start: int, digits_end: int) -> Iterator[Candidate]:
    """Area, group and serial; without separators only beside a word that says so."""
    found = _SSN.match(text, start)
    if found is None or _begins_inside_number(text, start):
        return
    score = {"-": 0.8, "": 0.2}.get(found["sep"], 0.4)
    if near(_SSN_WORDS, text, start, found.end()):
        score = min(score + 0.5, 1.0)
    yield "US_SSN", start, found.end(), score


# --- IP addresses -----------------------------------------------------------------------------------

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/[0-9]{{1,2}})?(?![\w]|\.[0-9])")
_IP_WORDS = context(
    "ips?", "ipv4", "address", "host", "server", "ping", "ssh", "dns", "subnet", "gateway", "client", "from"
)
_VERSION_WORDS = context(
    "v",
    "version",
    "versions",
    "release",
    "section",
    "sections",
    "chapter",
    "clause",
    "build",
    "rev",
    "firmware",
    "driver",
    "article",
    "paragraph",
    "figure",
    "table",
    "oid",
    "upgrade",
    "upgraded",
    "update",
)
_NOBODY = ("0.", "127.0.0.", "255.")


def ipv4s(text: str, start: int, digits_end: int) -> Iterator[Candidate]:
    """Four octets that are neither a version, a section number, nor an address of nobody."""
    if text[digits_end : digits_end + 1] != ".":
        return
    found = _IPV4.match(text, start)
    before = text[start - 1] if start else " "
    if found is None or before in ".-_" or (before == "/" and text[start - 2 : start] != "//"):
        return
    address = found.group()
    if address.startswith(_NOBODY):
        return
    score = 0.8
    if near(_IP_WORDS, text, start, found.end()):
        score = 0.95
    elif (
        _VERSION_WORDS.search(text[max(start - 24, 0) : start])
        or max(int(octet) for octet in address.partition("/")[0].split(".")) < 20
    ):
        score = 0.3
    yield "IP_ADDRESS", start, found.end(), score


def ipv6s(text: str, start: int, digits_end: int) -> Iterator[Candidate]:
    """Eight groups, or fewer with ``::``, as `ipaddress` reads them."""
    import ipaddress

    if ":" not in text[max(start - 1, 0) : start + 6]:
        return
    at = start
    while at > max(start - 40, 0) and text[at - 1] in "0123456789abcdefABCDEF:":
        at -= 1
    found = _IPV6.match(text, at)
    if found is None or (at and text[at - 1].isalnum()):
        return
    try:
        address = ipaddress.IPv6Address(found.group())
    except ValueError:
        return
    if len(found.group()) >= 7 and not address.is_loopback and not address.is_unspecified:
        yield "IP_ADDRESS", at, found.end(), 0.85


_IPV6 = re.compile(r"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


# --- telephone numbers ------------------------------------------------------------------------------

_EXTENSION = r"(?:[ ,]{0,2}(?:x|ext\.?|extension|#)[ ]?[0-9]{1,6})?"
_END = r"(?![\w]|[-/.][0-9]|:[0-9])"
_INTERNATIONAL = re.compile(
    r"(?:\+|\(\+|00)[ ]?(?P<country>[1-9][0-9]{0,2})\)?(?:[ .\-/\u00a0]{0,2}\(?[0-9]{1,9}\)?){1,7}"
    + _EXTENSION
    + _END
)
_NANP = re.compile(
    r"(?:(?:001|1)[ .-])?(?:\((?P<open>[2-9][0-9]{2})\)[ ]?|(?P<area>[2-9][0-9]{2})(?P<sep>[ .-]))"
    r"[2-9][0-9]{2}(?P<last>[ .-])[0-9]{4}" + _EXTENSION + _END
)
_TRUNK = re.compile(
    r"(?:\(0[0-9]{1,5}\)|0[1-9][0-9]{0,4})(?P<rest>(?:[ ./\-]{0,2}[0-9]{2,8}){1,5})" + _EXTENSION + _END
)
_BRACKETED = re.compile(r"\([0-9]{2,5}\)[ ]?[0-9]{3,5}(?:[ -][0-9]{2,5}){0,2}" + _EXTENSION + _END)
_PLAIN = re.compile(r"\(?[0-9]{1,5}\)?(?:[ .\-/][0-9]{2,6}){0,4}[0-9]{0,7}" + _EXTENSION + _END)
_PHONE_WORDS = context(
    "tel",
    "tel\\.",
    "telephone",
    "phone",
    "phones",
    "call",
    "calling",
    "mobile",
    "cell",
    "cellphone",
    "fax",
    "sms",
    "text me",
    "whatsapp",
    "contact",
    "reach me",
    "hotline",
    "dial",
    "number is",
    "telefon",
    "handy",
    "mobil",
    "mobilnummer",
    "rufnummer",
    "telefonnummer",
    "anrufen",
    "téléphone",
    "portable",
    "appelez",
    "teléfono",
    "telefono",
    "móvil",
    "celular",
    "llama",
    "llame",
    "cellulare",
    "chiama",
    "telefone",
    "telemóvel",
    "ligue",
    "telefoon",
    "mobiel",
    "puhelin",
    "telefonszám",
    "telefonní",
    "komórka",
    "zadzwoń",
    "телефон",
    "тел",
    "звоните",
    "電話",
    "電話番号",
    "携帯",
    "电话",
    "手机",
    "전화",
    "هاتف",
    "फ़ोन",
    "फोन",
    "dzwoń",
)
_NOT_PHONE_WORDS = context(
    "isbn",
    "order",
    "invoice",
    "ticket",
    "case",
    "tracking",
    "account",
    "serial",
    "sku",
    "ean",
    "upc",
    "doi",
    "issn",
    "id",
    "ids",
    "ref",
    "reference",
    "version",
    "port",
    "pid",
    "uid",
    "build",
    "commit",
    "timestamp",
)


def phones(text: str, start: int, digits_end: int) -> Iterator[Candidate]:
    """Numbers in international form, or in a national one that its grouping or a word nearby gives away."""
    if start >= 1 and text[start - 1] in "+(":
        start -= 1
        if start >= 1 and text[start - 1] in "+(":
            start -= 1
    if (start and (text[start - 1].isalnum() or text[start - 1] in "_$€£#=%")) or _begins_inside_number(
        text, start
    ):
        return
    for pattern, score in (
        (_INTERNATIONAL, 0.8), (_NANP, 0.65), (_TRUNK, 0.55), (_BRACKETED, 0.5), (_PLAIN, 0.15),
    ):  # fmt: skip
        found = pattern.match(text, start)
        if found is None:
            continue
        digits = sum(char.isdigit() for char in found.group())
        low, high = (8, 16) if pattern is _INTERNATIONAL else (9, 13) if pattern is _TRUNK else (7, 17)
        if not low <= digits <= high:
            continue
        if pattern is _INTERNATIONAL and not _is_country_code(found["country"]):
            continue
        if pattern is _TRUNK and _LOOKS_LIKE_DATE.match(text, start):
            continue
        if near(_PHONE_WORDS, text, start, found.end()):
            score = min(score + 0.4, 0.95)
        elif near(_NOT_PHONE_WORDS, text, start, start):
            score -= 0.3
        yield "PHONE_NUMBER", start, found.end(), round(score, 2)
        return


_LOOKS_LIKE_DATE = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}(?![0-9])")
_TWO_DIGIT_CODES = frozenset(
    [
        "20",
        "27",
        "30",
        "31",
        "32",
        "33",
        "34",
        "36",
        "39",
        "40",
        "41",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
    ]
)


def _is_country_code(digits: str) -> bool:
    """ITU-T E.164 country codes; three-digit zones are taken whole, so that new codes count."""
    return (
        digits[0] in "17"
        or digits[:2] in _TWO_DIGIT_CODES
        or ((len(digits) == 3 and digits[0] in "234569") or digits[0] == "8")
    )


def _begins_inside_number(text: str, start: int) -> bool:
    """Whether what stands before makes this the middle of a longer number."""
    if start == 0:
        return False
    before = text[start - 1]
    return before.isdigit() or (before in ".-/," and start >= 2 and text[start - 2].isdigit())


FORMS: tuple[Form, ...] = (cards, ibans, us_ssns, ipv4s, ipv6s, phones)
