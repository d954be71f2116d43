"""`language`: text in another language than the ones expected, told by script and by its small words."""

# ruff: noqa: E501 - tables of words and patterns read best with long rows

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator

_SMALL_WORDS = {
    "en": "the of and to in is that it for was with as on are this be at by from you not have or an we they which their can will what how my your a i do does me if so but all any should would where why who been were has had our more than when there about into up out",
    "de": "der die und das in zu den ist nicht von mit sich des auf für ein eine dem auch es an als bei nach ich wie wird sind wir aber oder war kann",
    "fr": "le la les de des et un une est que dans pour qui sur pas plus au par avec ce il je vous nous ne se sont du en cette mais ou être",
    "es": "el la los las de que y en un una es por con para no se del al lo como más pero sus le ya o este sí porque esta son",
    "pt": "o a os as de que e do da em um uma para com não é por mais dos como mas ao das seu sua ou quando muito nos já está também",
    "it": "il lo la gli di che è e un una per non con del della sono da in si come più ma anche al dei nel alla questo ho",
    "nl": "de het een en van is dat niet te zijn op met voor aan er om ook als bij maar hij wordt naar uit kan ik je nog of deze",
    "sv": "och att det i en som är av för på med den till inte om ett han men har jag de så vi kan från var eller när",
    "da": "og at det i en er som af for på med den til ikke om et han men har jeg de så vi kan fra var eller når der",
    "no": "og at det i en er som av for på med den til ikke om et han men har jeg de så vi kan fra var eller når",
    "fi": "ja on ei se että hän oli joka mutta kun ovat kuin niin tai myös jos vain ne olen mitä tämä ole sen minä",
    "pl": "i w nie się na z do jest to że jak ale o co po tak za od są czy przez może tylko dla już być był",
    "cs": "a v se na je že to s z do o i jako ale za by pro jsem po si co jsou tak který byl nebo k",
    "ro": "și de la a în cu nu pe că o un este pentru din mai se ce care sunt dar ca al sau fi lui",
    "hu": "a az és hogy nem is egy ez van meg de csak már mint ha el volt vagy azt még ki le én kell",
    "tr": "ve bir bu için de da ile ne çok daha olarak var gibi en ama olan kadar sonra değil ben her o mi",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada bisa atau oleh",
    "vi": "và của là có không cho được trong một này các với người đã những khi để tôi như đến từ",
}  # fmt: skip
_SCRIPTS = {
    "GREEK": "el", "HEBREW": "he", "ARABIC": "ar", "DEVANAGARI": "hi", "THAI": "th", "HANGUL": "ko", "HIRAGANA": "ja",
    "KATAKANA": "ja", "CJK": "zh", "ARMENIAN": "hy", "GEORGIAN": "ka", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te",
    "CYRILLIC": "ru",
}  # fmt: skip
LANGUAGES = frozenset(_SMALL_WORDS) | frozenset(_SCRIPTS.values()) | {"uk", "bg", "fa"}
FEWEST_WORDS = 4
_WORD = re.compile(r"[^\W\d_]+")
_LATIN_LETTER = re.compile(r"[a-zA-Z\u00c0-\u02ff]")
_OTHER_LETTER = re.compile(r"[^\W\d_\u0000-\u02ff]")
_PART = 2000
_CLEARLY = 1.3


def language(allowed: Iterable[str], /) -> Validator:
    """Find text that is written in a language that is not allowed.

    The language is recognised by its script and, for Latin letters, by the small words of eighteen languages.
    Text that is too short, or shows no language clearly, such as code, names and numbers, is not a finding.

    Args:
        allowed: Codes by ISO 639-1 of `LANGUAGES`, such as ``["en", "de"]``.

    Raises:
        ConfigError: no language, or one that cannot be recognised.
    """
    codes = frozenset((allowed,) if isinstance(allowed, str) else allowed)
    if not codes or not codes <= LANGUAGES:
        raise ConfigError(
            f"allowed={sorted(codes)!r} of language(...): expected some of {', '.join(sorted(LANGUAGES))}"
        )

    @validator(name="language", params={"allowed": sorted(codes)})
    def find(text: str) -> Iterator[Finding]:
        for part in _parts(text):
            told = _told(part)
            best = max(told, key=lambda code: told[code], default=None)
            if best is None or best in codes:
                continue
            expected = max((told.get(code, 0.0) for code in codes), default=0.0)
            if told[best] >= _CLEARLY * expected:
                score = told[best] / (told[best] + expected)
                yield Finding("is written in another language", category="LANGUAGE", score=round(score, 3))
                return

    return find


def _parts(text: str) -> Iterator[str]:
    """The beginning, the middle and the end: a long text may change its language."""
    if len(text) <= 3 * _PART:
        yield text
    else:
        middle = len(text) // 2
        yield from (text[:_PART], text[middle : middle + _PART], text[-_PART:])


def _told(text: str) -> dict[str, float]:
    """How much speaks for each language: letters of its script or, in Latin letters, its small words."""
    if not text.isascii():
        others = _OTHER_LETTER.findall(text)
        if len(others) >= FEWEST_WORDS and len(others) > len(_LATIN_LETTER.findall(text)) / 2:
            return _of_letters(others)
    return _of_words(text)


def _of_letters(letters: list[str]) -> dict[str, float]:
    told = dict[str, float]()
    for char, count in Counter(letters).items():
        script = unicodedata.name(char, "").partition(" ")[0].partition("-")[0]
        if script in _SCRIPTS:
            told[_SCRIPTS[script]] = told.get(_SCRIPTS[script], 0.0) + count
    present = frozenset("".join(letters).lower())
    if "ja" in told:  # it is mostly written in Chinese characters
        told["ja"] += told.pop("zh", 0.0)
    if "ru" in told and not present & set("ыэё"):
        if present & set("іїєґ"):
            told["uk"] = told.pop("ru")
        elif "ъ" in present:
            told["bg"] = told.pop("ru")
    if "ar" in told and present & set("پچژگ"):
        told["fa"] = told.pop("ar")
    return told


@functools.cache
def _languages_of_word() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for code, words in _SMALL_WORDS.items():
        for word in words.split():
            table.setdefault(word, []).append(code)
    return {word: tuple(codes) for word, codes in table.items()}


def _of_words(text: str) -> dict[str, float]:
    words = _WORD.findall(text.lower())
    table = _languages_of_word()
    small = [codes for word in words if (codes := table.get(word))]
    if len(small) < max(FEWEST_WORDS, len(words) / 8):
        return {}
    told = dict[str, float]()
    for codes in small:
        for code in codes:
            told[code] = told.get(code, 0.0) + 1
    return told
