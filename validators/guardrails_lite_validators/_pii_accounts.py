"""Accounts: payment cards, bank accounts and addresses of cryptocurrencies, by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails_lite_validators._checksums import ean13, iso7064_mod97_10, luhn
from guardrails_lite_validators._pii_context import Around, words

Candidate = tuple[str, int, int, float]

# --- payment cards ----------------------------------------------------------------------------------

_CARD = re.compile(
    r"(?:[0-9]{4}([.-]| {1,2})(?:[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{1,3})?|[0-9]{6}\1[0-9]{4,5})"
    r"|[0-9]{12,19})(?![\w]|[-.][0-9])"
)
_CARD_WORDS = words(
    "card, cards, credit, debit, visa, mastercard, maestro, amex, american express, discover, cvv, cvc, pan, "
    "karte, kreditkarte, carte, carte bancaire, tarjeta, carta, cartao, cartão, kaart, kort, karta, kartı, "
    "карта, карты, 卡号, カード, 카드, payment, cc"
)


def cards(text: str, start: int) -> Iterator[Candidate]:
    """Numbers of an issuer's range and length (ISO/IEC 7812) whose Luhn digit is right."""
    found = _CARD.match(text, start)
    if found is None:
        return
    number = re.sub("[^0-9]", "", found.group())
    if not is_issued_range(number) or not luhn(number) or len(set(number)) < 2:
        return
    score = 0.9 if len(number) > 13 else 0.6
    if Around(text, start, found.end()).has(_CARD_WORDS):
        score = 1.0
    elif len(number) == 13 and ean13(number):
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
            if two == 35:
                return 16 <= length <= 19
            return (two in (36, 38, 39) or 300 <= three <= 305 or four == 3095) and 14 <= length <= 19
        case "8":
            return two in (81, 82) and 16 <= length <= 19
        case "9":
            return 979200 <= six <= 979289 and length == 16
        case "0":
            return four == 604
        case "1":
            return four == 1800 and length == 15
    return False


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


_IBAN_CHECK = re.compile("[ -]?[0-9]{2}")


def ibans(text: str, start: int) -> Iterator[Candidate]:
    """Country, length and MOD 97-10, written together or in groups; what follows is not swallowed."""
    length = IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None or _IBAN_CHECK.match(text, start + 2) is None:
        return
    taken: list[str] = []
    at = start
    while len(taken) < length and at < len(text):
        char = text[at]
        if char.isascii() and char.isalnum():
            taken.append(char)
        elif char not in " -" or not text[at - 1].isalnum():
            return
        at += 1
    if len(taken) < length or (at < len(text) and text[at].isalnum()):
        return
    account = "".join(taken).upper()
    if iso7064_mod97_10(account[4:] + account[:4]):
        yield "IBAN_CODE", start, at, 1.0


# --- cryptocurrencies -------------------------------------------------------------------------------

_WALLET = re.compile(
    r"(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{39,59}|0x[0-9A-Fa-f]{40})(?!\w)"
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def wallets(text: str, start: int) -> Iterator[Candidate]:
    """Bitcoin's addresses, old (Base58Check) and new (Bech32), and Ethereum's form."""
    found = _WALLET.match(text, start)
    if found is None:
        return
    address = found.group()
    if address[0] in "13" and not _is_base58_checked(address):
        return
    yield "CRYPTO", start, found.end(), 0.95 if address[0] in "13" else 0.7


def _is_base58_checked(address: str) -> bool:
    import hashlib

    number = 0
    for char in address:
        number = number * 58 + _BASE58.index(char)
    if number >= 1 << 200:
        return False
    data = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:]
