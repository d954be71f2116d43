"""`language`: text in another language than the ones expected, told by script and by its small words."""

# ruff: noqa: E501 - tables of words and patterns read best with long rows

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import Finding, Validator, validator

_SMALL_WORDS = {
    "en": "the of and to in is that it for was with as on are this be at by from you not have or an we they which their can will what how my your",
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


def language(allowed: Iterable[str], /) -> Validator:
    """Find text that is written in another language than allowed.

    Told by the script and, for Latin letters, by the small words of eighteen languages. What is too
    short, or tells no language clearly, such as code, names and numbers, is not a finding.

    Args:
        allowed: Codes by ISO 639-1 of `LANGUAGES`, such as ``["en", "de"]``.

    Raises:
        ConfigError: no language, or one that cannot be told.
    """
    codes = frozenset((allowed,) if isinstance(allowed, str) else allowed)
    if not codes or not codes <= LANGUAGES:
        raise ConfigError(
            f"allowed={sorted(codes)!r} of language(...): expected some of {', '.join(sorted(LANGUAGES))}"
        )

    @validator(name="language", params={"allowed": sorted(codes)})
    def find(text: str) -> Iterator[Finding]:
        told = language_of(text)
        if told is not None and told[0] not in codes:
            yield Finding("is written in another language", category="LANGUAGE", score=round(told[1], 3))

    return find


def language_of(text: str) -> tuple[str, float] | None:
    """The language of a text and how sure that is, from 0 to 1; None where it cannot be told."""
    sample = text[:4000]
    scripts = Counter(
        unicodedata.name(char, "").partition(" ")[0].partition("-")[0]
        for char in sample
        if char.isalpha() and char > "\u02ff"
    )
    latin = sum(char.isalpha() and char <= "\u02ff" for char in sample)
    told = Counter[str]()
    for script, count in scripts.items():
        if script in _SCRIPTS:
            told[_SCRIPTS[script]] += count
    if told and told.total() * 2 > latin and told.total() >= FEWEST_WORDS:
        return _of_script(sample, told)
    return _of_words(sample)


def _of_script(text: str, told: Counter[str]) -> tuple[str, float]:
    code, count = told.most_common(1)[0]
    share = count / told.total()
    if told["ja"]:  # Japanese is mostly written in Chinese characters
        return "ja", (told["ja"] + told["zh"]) / told.total()
    if code == "ru":
        letters = frozenset(text.lower())
        code = (
            "uk" if letters & set("іїєґ") else "bg" if "ъ" in letters and not letters & set("ыэё") else "ru"
        )
    if code == "ar" and set("پچژگ") & frozenset(text):
        code = "fa"
    return code, share


@functools.cache
def _languages_of_word() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for code, words in _SMALL_WORDS.items():
        for word in words.split():
            table.setdefault(word, []).append(code)
    return {word: tuple(codes) for word, codes in table.items()}


def _of_words(text: str) -> tuple[str, float] | None:
    words = _WORD.findall(text.lower())
    table = _languages_of_word()
    told: dict[str, float] = {}
    known = 0
    for word in words:
        codes = table.get(word, ())
        known += bool(codes)
        for code in codes:
            told[code] = told.get(code, 0.0) + 1 / len(codes)
    if known < FEWEST_WORDS or known < len(words) / 8:
        return None
    ranked = sorted(told.items(), key=lambda item: -item[1])
    best, second = ranked[0][1], ranked[1][1] if len(ranked) > 1 else 0.0
    if best < 1.2 * second:
        return None
    return ranked[0][0], best / (best + second)
