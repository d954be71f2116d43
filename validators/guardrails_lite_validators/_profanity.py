"""`profanity`: swear words. It counts words, and knows nothing of hate, threats or who is meant."""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterable, Iterator

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import Finding, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words
from guardrails_lite_validators._spans import outermost

# In ROT13, so that nobody has to read them. A star stands for any ending.
_WORDS = {
    "en": (
        "shpx* shpxre* shpxvat zbgureshpx* fuvg fuvgf fuvggl ohyyfuvg fuvgurnq phag* ovgpu ovgpurf ovgpul "
        "nffubyr* nefrubyr* onfgneq* qvpxurnq* pbpx pbpxfhpxre* chffl chffvrf gjng* jnaxre* jnax "
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
        "puvatne puvatnqn iretn phyreb* znevpóa cvapur"
    ),
    "pt": (
        "zreqn* chgn chgnf pnenyub* cbeen sbqre sbqvqb* sbqnfr phmãb neebzonqb* svyunqnchgn ohprgn ivnqb*"
    ),
    "it": (
        "zreqn* pnmmb pnmmv fgebamb* fgebamn* fgebamv chggnan* inssnaphyb pbtyvbar* zvapuvn snaphyb gebvn "
        "onfgneqb* cbepbqvb"
    ),
    "nl": ("xybbgmnx* xhg xhgjvws xnaxre* tbqireqbzzr ubre ubrera yhy rvxry grevat* arhxra zvreraarhxre*"),
    "pl": ("xhejn* xhejl puhw puhwn cvreqby* fcvreqnynw wronć wronal* fxhejlfla* pvcn qhcn tójab"),
    "ru": ("блядь бля блять сука суки хуй хуя хуйня пизда пиздец ебать ебаный* мудак* гондон* говно залупа"),
    "sv": ("wäiyn wäiyne uryirgr fxvg svggn uben xhx xahyyn"),
    "tr": ("fvxgve nzx bebfch* cvç tög lneenx fvxrlvz nanaı"),
}
LANGUAGES = tuple(_WORDS)
_WINDOW = 120
_START = re.compile(r"(?<!\w)\S")
_LEET = {"a": "a@4", "e": "e3", "i": "i1!", "o": "o0", "s": "s$5", "t": "t7", "u": "uv", "c": "ck"}


def profanity(
    *, languages: Iterable[str] = LANGUAGES, more: Iterable[str] = (), allow: Iterable[str] = ()
) -> Validator:
    """Find swear words of eleven languages, whole, also with letters repeated or written as digits.

    Not a measure of toxicity: an insult without a swear word is not found, and a quoted or friendly one is.

    Args:
        languages: Whose words, by ISO 639-1; default: all of `LANGUAGES`.
        more: Words of your own.
        allow: Words that are not to be found, such as a place or a name.

    Raises:
        ConfigError: an unknown language, an empty word, or a single string.
    """
    codes = tuple(dict.fromkeys((languages,) if isinstance(languages, str) else languages))
    if not set(codes) <= set(LANGUAGES):
        raise ConfigError(
            f"languages={list(codes)!r} of profanity(...): expected some of {', '.join(LANGUAGES)}"
        )
    own = tuple_of_words("profanity", "more", more) if more else ()
    spared = (
        frozenset(word.lower() for word in tuple_of_words("profanity", "allow", allow))
        if allow
        else frozenset()
    )
    given = {"languages": list(codes), "more": list(own), "allow": sorted(spared)}
    defaults = {"languages": list(LANGUAGES), "more": [], "allow": []}

    @validator(
        name="profanity",
        window=_WINDOW,
        params={key: value for key, value in given.items() if value != defaults[key]},
    )
    def find(text: str) -> Iterator[Finding]:
        patterns = _patterns(codes, own)
        yield from outermost(
            Finding("contains a swear word", span=found.span(), category="PROFANITY")
            for start in _START.finditer(text)
            if (pattern := patterns.get(start[0].lower())) is not None
            and (found := pattern.match(text, start.start())) is not None
            and found.group().lower() not in spared
        )

    return find


@functools.cache
def _patterns(codes: tuple[str, ...], own: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """The words by each character that they may begin with: most words of a text begin like none."""
    words = {word for code in codes for word in codecs.decode(_WORDS[code], "rot13").split()}
    bodies: dict[str, list[str]] = {}
    for word in sorted(words | {word.lower() for word in own}, key=lambda word: (-len(word), word)):
        for first in _LEET.get(word[0], word[0]):
            bodies.setdefault(first, []).append(_spelled(word))
    return {
        first: re.compile(rf"(?:{'|'.join(each)})(?!\w)", re.IGNORECASE) for first, each in bodies.items()
    }


def _spelled(word: str) -> str:
    """A word with each letter up to four times, or as the digit that looks like it."""
    body = "".join(
        rf"[{re.escape(_LEET[char])}]{{1,4}}" if char in _LEET else rf"{re.escape(char)}{{1,4}}"
        for char in word.lower().rstrip("*")
    )
    return body + (r"\w{0,10}" if word.endswith("*") else "")
