"""`refusal`: the model declines to answer, in the words that models use for it."""

# ruff: noqa: E501 - tables of words and patterns read best with long rows

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from guardrails_lite import Finding, Validator, validator
from guardrails_lite_validators._spans import every_match, outermost

_PHRASES = (
    # English
    r"i(?:['\u2019]m| am) (?:really |very |so )?sorry,? (?:but )?(?:i )?(?:can(?:no|['\u2019])t|am not able|am unable|['\u2019]m (?:not able|unable))",
    r"i (?:can(?:no|['\u2019])t|won['\u2019]t|will not|am unable to|am not able to|['\u2019]m unable to) (?:(?:actually|currently|directly|fully|really|simply|ever|legally|ethically|in good conscience|be able to) )?(?:help(?! (?:but|it))|assist|provide|comply|fulfil{1,2}|answer|discuss|engage|support|create|generate|write|share|do that|continue)",
    r"i(?:['\u2019]m| am) (?:unable|not able|not allowed|not permitted) to (?:(?:actually|currently|directly|fully|really|simply|ever|legally|ethically|in good conscience|be able to) )?(?:help|assist|provide|comply|answer|discuss|fulfil{1,2}|share)",
    r"i must (?:respectfully )?(?:decline|refuse)",
    r"as an? (?:ai|artificial intelligence)(?: language)?(?: model| assistant)?,? i (?:can|do n|am (?:not|un)|must)",
    r"(?:against|violates?) (?:my|openai['\u2019]s|our) (?:guidelines|policy|policies|programming|content policy)",
    r"(?:i['\u2019]d|i would) rather not",
    # German, French, Spanish, Portuguese, Italian, Dutch
    r"es tut mir leid,? (?:aber )?(?:ich kann|dabei kann|das kann|ich darf)", r"dabei kann ich (?:ihnen |dir )?(?:leider )?nicht",
    r"ich kann (?:ihnen |dir )?(?:dabei |damit )?(?:leider )?nicht (?:weiter)?helfen",
    r"je (?:suis )?désolée?,? mais je ne (?:peux|suis)", r"je ne (?:peux|suis) pas (?:en mesure d['\u2019e]|vous aider|répondre|fournir)",
    r"lo siento,? (?:pero )?no puedo", r"no puedo (?:ayudar|proporcionar|cumplir|responder)",
    r"(?:desculpe|sinto muito|lamento),? (?:mas )?(?:eu )?não posso", r"não posso (?:ajudar|fornecer|responder)",
    r"mi dispiace,? (?:ma )?non posso", r"non posso (?:aiutar|fornire|rispondere)",
    r"het spijt me,? (?:maar )?(?:ik kan|daar kan)", r"daar kan ik (?:je |u )?niet (?:mee |bij )?helpen",
    # Polish, Russian
    r"przykro mi,? (?:ale )?nie mogę", r"(?:извините|к сожалению|простите),? (?:но )?я не могу",
)  # fmt: skip
_WITHOUT_SPACES = (  # Chinese, Japanese, Korean
    r"我(?:很)?抱歉.{0,4}(?:无法|不能)", r"(?:我|本人)(?:无法|不能)(?:提供|回答|协助|帮助)",
    r"申し訳(?:ありません|ございません)が", r"お(?:手伝い|答え)(?:する|は)?(?:こと)?(?:は|が)?でき(?:ません|かねます)", r"죄송하지만", r"도와드릴 수 없습니다",
)  # fmt: skip


# One of them is in every text with a phrase of the tables, and few other texts.
_SIGNS = (
    "sorry", "i can't", "i can\u2019t", "i cannot", "i won't", "i won\u2019t", "i will not", "unable", "not able", "not allowed",
    "not permitted", "i must", "as an ai", "as a ai", "artificial", "against", "violate", "rather not", "tut mir leid", "dabei kann",
    "ich kann", "mais je ne", "je ne", "lo siento", "no puedo", "n\u00e3o posso", "non posso", "het spijt", "daar kan", "nie mog",
    "\u043d\u0435 \u043c\u043e\u0433\u0443", "\u62b1\u6b49", "\u65e0\u6cd5", "\u4e0d\u80fd", "\u7533\u3057\u8a33", "\u304a\u624b\u4f1d\u3044", "\u304a\u7b54\u3048", "\uc8c4\uc1a1", "\ub3c4\uc640\ub4dc\ub9b4",
)  # fmt: skip


def refusal() -> Validator:
    """Find a refusal in the words that models use for it, in twelve languages.

    A provider's own refusal field has its own outcome and needs no rule. This is for the ones in prose:
    ``fall_back(refusal())`` asks the next target instead. An answer that quotes a refusal is found too.
    """

    @validator(name="refusal", window=160, params={})
    def find(text: str) -> Iterator[Finding]:
        lowered = text.lower()
        if not any(sign in lowered for sign in _SIGNS):
            return
        yield from outermost(
            Finding("declines to answer", span=found.span(), category="REFUSAL")
            for found in every_match(_pattern(), text)
        )

    return find


@functools.cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(_PHRASES)})|{'|'.join(_WITHOUT_SPACES)}", re.IGNORECASE)
