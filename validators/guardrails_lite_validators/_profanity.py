"""`profanity`: swear words. It counts words, and knows nothing of hate, threats or who is meant."""

from __future__ import annotations

import codecs
import functools
import re
import string
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words

# In ROT13, so that nobody has to read them. A star stands for any ending.
_WORDS = {
    "en": (
        "shpx* shpxre* shpxvat zbgureshpx* fuvg fuvgf fuvggl ohyyfuvg fuvgurnq phag* ovgpu ovgpurf ovgpul "
        "nffubyr* nefrubyr* onfgneq* qvpx qvpxurnq* pbpx pbpxfhpxre* chffl chffvrf gjng* jnaxre* jnax "
        "obyybpxf cevpx fyhg* juber* qhzonff* wnpxnff* qvcfuvg* cvff cvffrq qbhpuront* penc tbqqnza "
        "qnzavg ohttre gbffre* jgs fgsh"
    ),
    "de": (
        "fpurvßr fpurvffr fpurvß* nefpuybpu nefpuyöpure sbgmr* jvpufre* uherafbua* uher uhera svpxra "
        "svpx* iresvpxg* fpuynzcr* zvfgfgüpx* qerpxfnh* xnpxr ireqnzzg"
    ),
    "fr": (
        "zreqr* chgnva* pbaaneq* pbaanffr* fnybcr* raphyé* raphyre chgr chgrf obeqry pbhvyyr* sbhger "
        "avdhr* ongneq* oâgneq* oenayrhe*"
    ),
    "es": (
        "zvreqn* chgn chgnf chgb chgbf uvwbchgn* tvyvcbyynf pnoeóa pnoeba* pbñb wbqre sbyyne craqrwb* "
        "puvatne puvatnqn phyreb* znevpóa cvapur"
    ),
    "pt": (
        "zreqn* chgn chgnf pnenyub* cbeen sbqre sbqvqb* sbqnfr phmãb neebzonqb* svyunqnchgn ohprgn ivnqb*"
    ),
    "it": (
        "zreqn* pnmmb pnmmv fgebamb* fgebamn* fgebamv chggnan* inssnaphyb pbtyvbar* zvapuvn snaphyb "
        "onfgneqb* cbepbqvb"
    ),
    "nl": ("xybbgmnx* xhg xhgjvws tbqireqbzzr ubre ubrera arhxra zvreraarhxre*"),
    "pl": ("xhejn* xhejl puhw puhwn cvreqby* fcvreqnynw wronć wronal* fxhejlfla* qhcn tójab"),
    "ru": ("блядь бля блять сука суки хуй хуя хуйня пизда пиздец ебать ебаный* мудак* гондон* говно залупа"),
    "sv": ("wäiyn wäiyne uryirgr xhx xahyyn"),
    "tr": ("fvxgve nzx bebfch* cvç tög lneenx fvxrlvz nanaı"),
}
LANGUAGES = tuple(_WORDS)
_LONGEST = 60
_TOKEN = re.compile(rf"(?<![\w@$])[\w@$]{{2,{_LONGEST}}}(?![\w@$])")
_LOOKS_LIKE = str.maketrans("@4310$57", "aaeiosst")
_DRAWN_OUT = re.compile(r"([a-z])\1\1+")
_THRICE = tuple(3 * letter for letter in string.ascii_lowercase)
_WORD = re.compile(r"\w\w+")
_HEAD = 4


def profanity(
    *, languages: Iterable[str] = LANGUAGES, more: Iterable[str] = (), allow: Iterable[str] = ()
) -> Validator:
    """Find swear words of eleven languages, whole, also drawn out or with digits for letters.

    Not a measure of toxicity: an insult without a swear word is not found, and a quoted or friendly one is.

    Args:
        languages: Whose words, by ISO 639-1; default: all of `LANGUAGES`.
        more: Words of your own; one that ends with ``*`` stands for any ending.
        allow: Words that are not to be found, such as a place or a name.

    Raises:
        ConfigError: an unknown language, an empty word, more than one word in a string, or a single string.
    """
    codes = tuple(dict.fromkeys((languages,) if isinstance(languages, str) else languages))
    if not codes or not set(codes) <= set(LANGUAGES):
        raise ConfigError(
            f"languages={list(codes)!r} of profanity(...): expected some of {', '.join(LANGUAGES)}"
        )
    own = _single_words("more", more)
    spared = frozenset(word.translate(_LOOKS_LIKE) for word in _single_words("allow", allow))
    given = {"languages": list(codes), "more": list(own), "allow": sorted(spared)}
    defaults = {"languages": list(LANGUAGES), "more": [], "allow": []}

    @validator(
        name="profanity",
        window=_LONGEST + 2,
        params={key: value for key, value in given.items() if value != defaults[key]},
        private={key: given[key] for key in ("more", "allow") if given[key]},
    )
    def find(text: str) -> Iterator[Finding]:
        words, stems, heads = _lists(codes, own)
        lowered = text.lower()
        if not any(
            word in words or word.startswith(stems)
            for word in _WORD.findall(lowered.translate(_LOOKS_LIKE))
            if word[:_HEAD] in heads
        ) and not any(run in lowered for run in _THRICE):
            return  # nearly all texts end here
        for token in _TOKEN.finditer(text):
            forms = frozenset(_forms(token[0].lower()))
            if not forms.isdisjoint(spared):
                continue
            if any(form in words or form.startswith(stems) for form in forms):
                yield Finding("contains a swear word", span=token.span(), category="PROFANITY")

    return find


def _single_words(parameter: str, words: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(words, str) and not (words := tuple(words)):
        return ()
    listed = tuple(word.strip().lower() for word in tuple_of_words("profanity", parameter, words))
    for word in listed:
        if not re.fullmatch(r"[\w@$]{2,}\*?", word):
            raise ConfigError(f"{parameter} of profanity(...) takes single words, not {word!r}")
    return listed


@functools.cache
def _lists(
    codes: tuple[str, ...], own: tuple[str, ...]
) -> tuple[frozenset[str], tuple[str, ...], frozenset[str]]:
    """Listed words, those that take any ending, and how words of either kind begin."""
    spelled = {word for code in codes for word in codecs.decode(_WORDS[code], "rot13").split()} | set(own)
    listed = {word.translate(_LOOKS_LIKE) for word in spelled}
    stems = tuple(sorted(word[:-1] for word in listed if word.endswith("*")))
    words = frozenset(word for word in listed if not word.endswith("*"))
    return words, stems, frozenset(word[:_HEAD] for word in (*words, *stems))


def _forms(said: str) -> Iterator[str]:
    """A token with letters for digits, and with what is drawn out made short."""
    if any(char.isalpha() for char in said):
        yield said.translate(_LOOKS_LIKE)
        if _DRAWN_OUT.search(said):
            yield _DRAWN_OUT.sub(r"\1", said).translate(_LOOKS_LIKE)
            yield _DRAWN_OUT.sub(r"\1\1", said).translate(_LOOKS_LIKE)
