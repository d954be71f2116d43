"""Dates of birth: a date beside a word for birth. Any other date is nobody's."""

# ruff: noqa: E501 - lists of words read best with long lines

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite_validators._days import is_day
from guardrails_lite_validators._pii_context import Around, words

Candidate = tuple[str, int, int, float]

_CUES = ("birth", "born", "dob", "d.o.b", "d o b", "geb", "naci", "nato il", "nata il", "nasc", "naiss", "urodz", "syntym",
         "narozen")  # fmt: skip
_MORE_CUES = ("né", "född", "født", "fødsel", "födel", "születe", "născut", "nașter", "rođen", "doğum", "рожд", "родил", "生", "誕",
              "생", "जन्म", "ميلاد", "ngày sinh")  # fmt: skip


def births(text: str, groups: Iterable[tuple[int, int]]) -> Iterator[Candidate]:
    """Dates that begin at one of these groups of digits, or at the month before it, beside a word for birth."""
    is_told = False
    for start, end in groups:
        size = end - start
        if size != 8 and (size not in (1, 2, 4) or _IS_DATE.match(text, end) is None):
            continue
        span = _date(text, start)
        if span is None:
            continue
        is_told = is_told or _speaks_of_birth(text)
        if not is_told:
            return
        if Around(text, *span).has(_BIRTH):
            yield "DATE_TIME", *span, 0.85


def _speaks_of_birth(text: str) -> bool:
    """Whether a text holds any piece of a word for birth: without one no date in it is looked at again."""
    lowered = text.lower()
    return any(cue in lowered for cue in _CUES) or (
        not text.isascii() and any(cue in lowered for cue in _MORE_CUES)
    )


_BIRTH = words(
    "born, birth, birthday, birthdate, birth date, dob, d.o.b, date of birth, birth_date, year of birth, geboren, geburtsdatum, geb, "
    "geburtstag, nacido, nacida, nacimiento, nació, naissance, née, né, nato, nata, nascita, nascido, nascida, nascimento, "
    "nascimento, geboortedatum, urodzenia, urodzony, urodzona, född, födelsedatum, født, fødselsdato, syntynyt, syntymäaika, "
    "narozen, narozena, narození, született, születési, născut, născută, nașterii, rođen, rođena, rođenja, doğum, "
    "doğum tarihi, рождения, родился, родилась, 生年月日, 出生, 出生日期, 誕生日, 생년월일, 생일, जन्म, جन्मतिथि, الميلاد, ngày sinh, "
    "dateofbirth, birthdate, d o b"
)
_MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "jan january januar janvier enero gennaio janeiro januari stycznia января",
            "feb february februar février fevrier febrero febbraio fevereiro februari lutego февраля",
            "mar march märz mars marzo março maart marca марта",
            "apr april avril abril aprile kwietnia апреля",
            "may mai mayo maggio maio mei maj maja мая",
            "jun june juni juin junio giugno junho czerwca июня",
            "jul july juli juillet julio luglio julho lipca июля",
            "aug august août aout agosto augustus augusti sierpnia августа",
            "sep sept september septembre septiembre settembre setembro września сентября",
            "oct okt october oktober octobre octubre ottobre outubro października октября",
            "nov november novembre noviembre novembro listopada ноября",
            "dec dez dic december dezember décembre diciembre dicembre dezembro grudnia декабря",
        ),
        1,
    )
    for name in names.split()
}
_NUMERIC = re.compile(r"([0-9]{1,4})([-/.\u2013]|\. ?| )([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?![\w]|[-/.][0-9])")
_DAY_MONTH = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th|\.|er|º)?[ -]?(?:of |de |d')?([^\W\d_]{3,12})\.?,?[ -]?(?:de |of )?([0-9]{4}|[0-9]{2})(?!\w)",
    re.I,
)
_MONTH_DAY = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?[ -]$")
_DAY_YEAR = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?,?[ -]([0-9]{4}|[0-9]{2})(?!\w)", re.I)
_EAST = re.compile(r"([0-9]{4}) ?[年년] ?([0-9]{1,2}) ?[月월] ?([0-9]{1,2}) ?[日일]")
_COMPACT = re.compile(r"(?:19|20)[0-9]{6}(?!\w)")
# What stands behind the first digits of each of these forms; most numbers are told from dates by it.
_IS_DATE = re.compile(
    r"[-/.\u2013 ]{1,2}[0-9]| ?[年년]"
    r"|(?i:st|nd|rd|th|\.|er|º)?,?[ -](?:[0-9]|(?i:of |de |d')?[^\W\d_]{3,12}\.?,?[ -](?i:de |of )?[0-9])"
    r"|[A-Za-z]{3}[12][0-9]{3}"
)


def _date(text: str, start: int) -> tuple[int, int] | None:
    found = _NUMERIC.match(text, start)
    if found is not None and _is_numeric_date(found[1], found[3], found[4]):
        return found.span()
    found = _DAY_MONTH.match(text, start)
    if found is not None and is_day(int(found[1]), _MONTHS.get(found[2].lower(), 0)):
        return found.span()
    month = _MONTH_DAY.search(text, max(start - 15, 0), start)
    found = _DAY_YEAR.match(text, start)
    if month is not None and found is not None and is_day(int(found[1]), _MONTHS.get(month[1].lower(), 0)):
        return month.start(), found.end()
    found = _EAST.match(text, start)
    if found is not None and is_day(int(found[3]), int(found[2])):
        return found.span()
    found = _COMPACT.match(text, start)
    if found is not None and is_day(int(found.group()[6:]), int(found.group()[4:6])):
        return found.span()
    return None


def _is_numeric_date(first: str, second: str, third: str) -> bool:
    if len(first) == 4:
        return 1900 <= int(first) <= 2100 and len(third) == 2 and is_day(int(third), int(second))
    plausible = len(third) == 2 or 1900 <= int(third) <= 2100
    return (
        len(first) < 3 and plausible and (is_day(int(first), int(second)) or is_day(int(second), int(first)))
    )
