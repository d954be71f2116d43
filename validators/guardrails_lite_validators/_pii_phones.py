"""Telephone numbers: in international form, or in a national one that its grouping or a word gives away."""

# ruff: noqa: E501 - lists of words read best with long lines

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails_lite_validators._pii_context import Around, words

Candidate = tuple[str, int, int, float]

_EXTENSION = r"(?:[ ,]{0,2}(?:x|ext\.?|extension|#)[ ]?[0-9]{1,6})?"
_AFTER = re.compile("[x#e]", re.IGNORECASE)
_END = r"(?![\w]|[-/.][0-9]|:[0-9])"
_INTERNATIONAL = re.compile(
    r"(?:\+|\(\+|\+\(|00)[ ]?(?P<country>[1-9][0-9]{0,2})\)?(?:[ .\-/]{0,2}\(?[0-9]{1,9}\)?){1,7}"
    + _EXTENSION
    + _END
)
_NANP = re.compile(
    r"(?:(?:001|1)[ .-])?(?:\((?P<open>[2-9][0-9]{2})\)[ ]?|(?P<area>[2-9][0-9]{2})(?P<sep>[ .-]))"
    r"[0-9]{3}(?P<last>[ .-])[0-9]{4}" + _EXTENSION + _END
)
_TRUNK = re.compile(
    r"(?:\(0[0-9]{1,5}\)|0 ?\([1-9][0-9]{1,4}\)|0[1-9][0-9]{0,4})(?P<rest>(?:[ ./\-]{0,2}[0-9]{2,8}){1,5})"
    + _EXTENSION
    + _END
)
_BRACKETED = re.compile(
    r"(?:[78][ -]?)?\([0-9]{2,5}\)[ ]?[0-9]{3,8}(?:[ -][0-9]{2,5}){0,2}" + _EXTENSION + _END
)
_CHINESE = re.compile(r"1[3-9][0-9](?:[0-9]{8}|[ -][0-9]{4}[ -][0-9]{4})" + _END)
_FOURS = re.compile(r"[2-9][0-9](?: [0-9]{2}){3}" + _END)
_PLAIN = re.compile(r"\(?[0-9]{1,5}\)?(?:[ .\-/][0-9]{2,6}){0,4}[0-9]{0,7}" + _EXTENSION + _END)
_PHONE_WORDS = words(
    "tel, telephone, phone, phones, call, calling, mobile, cell, cellphone, fax, sms, text me, whatsapp, contact, "
    "reach me, reach, hotline, dial, ring, telefon, handy, mobil, mobilnummer, rufnummer, telefonnummer, "
    "anrufen, telefonnr, téléphone, portable, appelez, numéro, teléfono, telefono, móvil, celular, llama, llame, "
    "llámame, cellulare, chiama, telefone, telemóvel, ligue, telefoon, mobiel, bel, puhelin, telefonszám, telefonní, "
    "komórka, zadzwoń, dzwoń, telefonie, telefonul, τηλέφωνο, телефон, тел, звоните, 電話, 電話番号, 携帯, 电话, 手机, 전화, "
    "휴대폰, هاتف, جوال, תלפון, טלפון, फ़ोन, फोन, โทร, điện thoại, ph"
)
_NOT_PHONE_WORDS = words(
    "isbn, order, invoice, ticket, case, tracking, account, serial, sku, ean, upc, doi, issn, id, ids, ref, "
    "reference, version, port, pid, uid, build, commit, timestamp, bestellnummer, rechnung, rechnungsnummer"
)
_BEFORE_NUMBER = "_$€£#=%"


def phones(text: str, start: int) -> Iterator[Candidate]:
    """Numbers in international form, or in a national one that its grouping or a word nearby gives away."""
    while (
        start and text[start - 1] in "+(" and (text[start - 1] == "(" or text[start - 2 : start - 1] != "+")
    ):
        start -= 1
    before = text[start - 1 : start]
    is_named = before == "=" and Around(text, start - 1, start).has(_PHONE_WORDS)
    if before and not is_named and (before.isalnum() or before in _BEFORE_NUMBER):
        return
    for pattern, digits, score in _BEGINNING_WITH.get(text[start], ()):
        found = pattern.match(text, start)
        if found is None or (digits and _digits_in(found.group()) not in digits):
            continue
        if pattern is _INTERNATIONAL and not _is_country_code(found["country"]):
            continue
        if pattern in (_TRUNK, _PLAIN) and _LOOKS_LIKE_DATE.match(text, start):
            continue
        around = Around(text, start, found.end())
        if around.has(_PHONE_WORDS):
            score = min(score + 0.4, 0.9)
        elif around.has(_NOT_PHONE_WORDS):
            score -= 0.3
        yield "PHONE_NUMBER", start, found.end(), round(max(score, 0.0), 2)
        return


def _digits_in(number: str) -> int:
    """How many digits a number has before its extension."""
    return sum(map(str.isdigit, _AFTER.split(number, maxsplit=1)[0]))


_FORMS = (
    ("+(0", _INTERNATIONAL, range(8, 17), 0.8),
    ("(0123456789", _NANP, None, 0.65),
    ("(0", _TRUNK, range(9, 14), 0.55),
    ("(78", _BRACKETED, range(7, 18), 0.5),
    ("1", _CHINESE, None, 0.5),
    ("23456789", _FOURS, None, 0.5),
    ("(0123456789", _PLAIN, range(7, 18), 0.15),
)
"""The characters that each form begins with, the form, how many digits it may have where the form itself
does not say, and the score of a number with no word beside it."""
_BEGINNING_WITH = {
    char: tuple((pattern, digits, score) for begins, pattern, digits, score in _FORMS if char in begins)
    for char in "+(0123456789"
}
_LOOKS_LIKE_DATE = re.compile(
    r"(?:[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{2,4}|(?:19|20)[0-9]{2}([./-])[01][0-9]\2[0-3][0-9])(?![0-9]|[./-][0-9])"
)
_TWO_DIGIT_CODES = frozenset(
    map(str, (20, 27, *range(30, 35), 36, 39, 40, 41, *range(43, 50), *range(51, 59), *range(60, 67), 81, 82, 84, 86,
              *range(90, 96), 98))
)  # fmt: skip


def _is_country_code(digits: str) -> bool:
    """ITU-T E.164 country codes; three-digit zones are taken whole, so that new codes count."""
    return (
        digits[0] in "17"
        or digits[:2] in _TWO_DIGIT_CODES
        or ((len(digits) == 3 and digits[0] in "234569") or digits[0] == "8")
    )
