"""The phrases of prompt injection, by family, in several languages.

A rule has *anchors*, words of which one must be in the text, and a regular expression over the folded text
(see `_fold`) that is tried right behind each of them; so a text without anchors costs one look at its
words. Where anchors are common words, others that the pattern asks for besides stand behind slashes: one
of each group must be in the text before the pattern is tried, and one of a group that ``>`` or ``<`` begins
must be the next word after an anchor or the last one before it. Gaps between words are counted, never open,
so that a rule reads a bounded piece of text. What a family weighs is learnt (`validators/training`), not
written here.
"""

# ruff: noqa: E501, ISC004 - a table reads best with one entry on one line

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from guardrails_lite_validators._fold import fold
from guardrails_lite_validators._wording import Wording

FAMILIES = {
    "override": "tells the model to set its instructions aside",
    "task": "puts another task in place of the one at hand",
    "form": "prescribes the whole answer",
    "leak": "asks for the hidden instructions",
    "secret": "asks for a secret or a password of the model",
    "role": "puts the model into a role without rules",
    "persona": "gives the model another name and a promise to obey",
    "character": "tells the model not to leave its role",
    "refusal": "forbids the model to refuse or to warn",
    "markup": "imitates the markup between messages",
    "exfiltration": "tells the model to send data elsewhere",
    "indirect": "gives orders to an assistant from inside a document",
    "insertion": "wants something put into the answer",
    "implant": "wants code that runs or sends something put into the answer",
    "covert": "asks that something be kept from the user",
    "encoded": "asks the model to decode and obey",
}


@dataclass(frozen=True, slots=True)
class PhraseRule:
    """One phrase and the family it belongs to."""

    family: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str] = field(repr=False)
    """Matched where an anchor ends."""
    before: re.Pattern[str] | None = field(default=None, repr=False)
    """Must be found in the `LOOK_BACK` characters before the anchor."""
    needs: tuple[frozenset[str], ...] = ()
    """Groups of words: one word of each group must be in the text."""
    beside: tuple[str, ...] = ()
    """Words of which one must stand beside the anchor, after ``>`` if it follows and ``<`` if it leads."""


LOOK_BACK = 120
REACH = 200
"""So many characters on either side of a phrase are looked at for the beginning and the end of its sentence."""

Phrase = tuple[str, tuple[int, int]]
"""The family of a phrase, and its span."""


def evidence(wording: Wording, *, pairs: Set[tuple[str, str]] | None = None) -> Iterator[Phrase]:
    """The family and span of each phrase in a folded text.

    Args:
        wording: The text.
        pairs: Its pairs of words, where they are at hand; any but `pairs_asked` may be missing.
    """
    text, said = wording.text, wording.said
    if pairs is None:
        pairs = wording.pairs
    by_anchor, anchors = _by_anchor()
    spoken = anchors & said
    missing = _missing(said) if spoken else 0
    for anchor in spoken:
        for needs, beside, rule in by_anchor[anchor]:
            if needs & missing or (beside and beside.isdisjoint(pairs)):
                continue
            match, before = rule.pattern.match, rule.before
            for at in wording.places(anchor):
                found = match(text, at + len(anchor))
                if found is None:
                    continue
                start = at
                if before is not None:
                    lead = before.search(text, max(at - LOOK_BACK, 0), at)
                    if lead is None:
                        continue
                    start = lead.start()
                yield rule.family, (start, found.end())
    if not text.isascii():
        for script in _scripts(text):
            for family, parts, pattern in _unspaced().get(script, ()):
                if any(part in text for part in parts) and (found := pattern.search(text)):
                    yield family, found.span()
    for mark, signs in _signs():
        for family, sign, pattern in signs if mark in text else ():
            if sign in text and (found := pattern.search(text)):
                yield family, found.span(found.lastindex or 0)
    if not said.isdisjoint(_words_in_marks()):
        for family, needed, pattern in _marked_words():
            if not said.isdisjoint(needed) and (found := pattern.search(text)):
                yield family, found.span()


def passages(text: str, phrases: Sequence[Phrase]) -> Iterator[tuple[str, list[Phrase]]]:
    """The sentences in which the phrases of a longer text stand, with the phrases in them.

    A page hides an order among a thousand harmless words; the sentence that gives it is judged by itself.
    """
    if not phrases or len(text) <= REACH:
        return
    ordered = sorted(phrases, key=lambda phrase: phrase[1])
    first = stop = 0
    for _, (start, end) in ordered:
        if end <= stop:
            continue
        begin = max(start - REACH, 0)
        for ending in _ENDING.finditer(text, begin, start):
            begin = ending.end()
        ending_after = _ENDING.search(text, end, end + REACH)
        stop = ending_after.end() if ending_after is not None else min(end + REACH, len(text))
        while ordered[first][1][0] < begin:
            first += 1
        within = [phrase for phrase in _until(stop, ordered, first) if phrase[1][1] <= stop]
        yield text[begin:stop], within


def _until(stop: int, ordered: Sequence[Phrase], first: int) -> Iterator[Phrase]:
    for place in range(first, len(ordered)):
        if ordered[place][1][0] >= stop:
            return
        yield ordered[place]


_ENDING = re.compile(r"[.!?:;]['\")\]]?\s|\n")


def _gap(words: int) -> str:
    """Up to so many words between two words."""
    return rf"(?:[\W_]{{1,4}}[^\W_]{{1,20}}){{0,{words}}}?[\W_]{{1,4}}"


_IGNORE = (
    "ignore ignoring ignores disregard disregarding forget forgetting override overrule bypass neglect discard dismiss"
    " erase delete clear drop abandon unlearn skip cancel void suspend disobey"
)
_EARLIER = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|former|foregoing|initial|original|existing|past|before"
    r"|system|developer\S{0,2}|other|old|current|given|default|safety|prescribed|aforementioned)"
)
_ORDERS = (
    r"(?:instructions?|directions?|directives?|prompts?|rules?|guidelines?|commands?|orders?|context|messages?"
    r"|training|programming|constraints?|restrictions?|polic(?:y|ies)|tasks?|questions?|assignments?"
    r"|conversations?|text|statements?|safeguards?|guardrails|filters?|settings|requests?|documents?|information)"
)
_OWN_ORDERS = (
    r"(?:instructions|programming|guidelines|directives|guardrails|safeguards|training|restrictions|system\s+prompt|rules"
    r"|polic(?:y|ies)|orders|limitations|moderation|content\s+polic(?:y|ies))"
)
_KINDS = (
    "system initial hidden original secret first starting pre meta base developer internal whole full entire above previous"
    " confidential"
)
_SECRET = (
    rf"(?:(?:{'|'.join(_KINDS.split())})[\s-]{{0,2}}(?:prompts?|instructions?|messages?|directives?|rules"
    r"|configuration|guidelines|context|text)|pre-?prompt|preamble|prompt\s+text)"
)
_SHOW = (
    "show print reveal repeat display output tell give share write expose leak dump list reproduce recite copy disclose"
    " return summarize summarise translate paste provide encode spell type echo say state quote see know"
)
_ORDERS_ALONE = (
    "prompt prompts instruction instructions message messages directive directives rules configuration guidelines context"
    " text words sentences conversation preprompt preamble"
)
_ORDER_WORDS = " ".join(kind + word for kind in ("", *_KINDS.split()) for word in _ORDERS_ALONE.split())
"""Also joined, as in ``systemprompt``."""
_TASKS = (
    "task tasks instruction instructions order orders rule rules objective objectives prompt prompts goal goals"
    " mission missions directive directives job jobs assignment assignments"
)
_NOT = "never not t dont cannot without"
"""What is left of each word for not, as `words_of` parts ``n't`` at its apostrophe."""
_LAWLESS = (
    r"(?:rules|restrictions?|limits?|limitations?|filters?|guidelines|ethic\w*|moral\w*|censorship|boundaries|constraints?"
    r"|confines|polic(?:y|ies)|safeguards|disclaimers|inhibitions)\b"
)
_SUBJECT = r"\b(?:you|act|acting|pretend|role\W?play\w*|imagine|simulat\w+|become|named|called|persona|character|ai|chatbot|model|assistant|gpt|chatgpt|bot)\b"

_UNDENIED = r"(?<!\bnot )(?<!\bnever )(?<!n't )(?<!\bdont )\Z"
"""No word for not before it: an application's own prompt forbids what an attack asks."""
_YOUR_WORK = r"your\s+(?:\w+\s+)?(?:code|codebase|solution|implementation|algorithm|program|response|answer|reply|output)\b"

_RULES: tuple[tuple[str, str, str, str], ...] = (
    # override
    ("override", _IGNORE, rf"(?!\W{{1,3}}my\b){_gap(4)}{_EARLIER}\b{_gap(3)}{_ORDERS}\b", ""),
    (
        "override",
        "ignore disregard forget override discard dismiss erase unlearn skip",
        rf"{_gap(2)}(?:everything|anything|all|whatever|what)\b(?:\W{{1,4}}[\w']{{1,20}}){{0,5}}?\W{{1,4}}(?:above|before|previously|earlier|told|said|learned|learnt|know|instructed|given|taught|asked)\b",
        "",
    ),
    (
        "override",
        "ignore ignoring disregard forget override bypass dismiss discard violate break circumvent disobey",
        rf"{_gap(2)}(?:your|all|any|the|these|those)\b{_gap(2)}{_OWN_ORDERS}\b",
        "",
    ),
    ("override", "ignore disregard forget", r"\s+(?:the\s+|all\s+|everything\s+)?(?:above|prior|previous|preceding)\b(?=\W*(?:\Z|[.!?,;:\n]|(?:and|then|now|instead|but|just|only|say|print|write|tell|text|input|stuff|content|questions?|to)\b))", ""),
    ("override", "not t never stop / follow obey adhere comply following obeying listen", rf"\W{{1,3}}(?:follow|obey|adhere\s+to|comply\s+with|following|obeying|listen\s+to){_gap(3)}(?:{_EARLIER}|your|any){_gap(2)}{_ORDERS}\b", ""),
    ("override", "change replace rewrite update swap exchange / your", rf"\s+(?:all\s+|the\s+)?(?:of\s+)?your\s+(?:\w+\s+)?{_OWN_ORDERS}\b.{{0,12}}\b(?:to|with|by|as|for)\b", ""),
    ("override", "attention", rf"\s+to{_gap(3)}{_EARLIER}\b{_gap(2)}{_ORDERS}\b", r"\bno\s+\Z"),
    ("override", "are re / you / longer not / bound restricted limited constrained governed subject obliged required", r"\s+(?:no\s+longer|not)\s+(?:bound|restricted|limited|constrained|governed|subject|obliged|required)\b", r"\byou\W{0,2}\Z"),
    ("override", f"{_IGNORE} / > it them that this all everything", r"\s+(?:it|them|that|this|all\s+that|everything)\b.{0,30}\b(?:and|now|instead)\b.{0,20}\b(?:your|new|real|only|just)\b", ""),
    ("override", "instructions rules guidelines restrictions policies directives prompts / > are were is", r"\s+(?:are|were|is)\s+(?:now\s+)?(?:void|no\s+longer|cancell?ed|lifted|removed|disabled|obsolete|suspended|overridden|replaced|outdated)\b", ""),
    ("override", "instructions rules guidelines restrictions policies / > no don dont do", r"\W{1,3}(?:no\s+longer|don'?t|do\s+not)\s+(?:apply|matter|count|exist|hold)\b", ""),
    ("override", "forget forgetting disregard disregarding ignore ignoring / > everything anything all about", r"\s+(?:about\s+)?(?:everything|anything|all\s+(?:of\s+)?(?:that|this|it))\b\W{0,3}(?:(?:and|then|now|just|instead|write|say|print|output|answer|tell|repeat|listen|we|so)\b|\Z)", ""),
    ("override", "previous prior earlier preceding former above / > information instruction instructions task tasks context prompt prompts text", r"\s+(?:information|instructions?|tasks?|context|prompts?|text)\b.{0,50}\b(?:behind|irrelevant|unimportant|out\s+of\s+your|no\s+longer|void|obsolete|not\s+matter)\b", ""),
    ("override", "article articles document documents context / < all any the these those your provided given", r"", r"\b(?:not\s+(?:by|from|use|using|look\s+(?:in|at))|disregard(?:ing)?|ignor(?:e|ing)|forget)\s+(?:(?:all|any|the|these|those|your|provided|given)\s+){1,3}\Z"),
    # another task
    ("task", f"new real actual true next / {_TASKS}", r"\s+(?:and\s+only\s+)?(?:task|instruction|order|rule|objective|prompt|goal|mission|directive|job|assignment)s?\b.{0,4}(?:is|are|:|-|to|begin|start|follow)", r"(?:\b(?:your|the|a|my|here\W{0,2}(?:is|are|s)|with|follow|this|focus\s+on)\W{1,3}|\A|[.!?\n]\W{0,4})\Z"),
    ("task", "stop", r"\s+(?:everything|all|what\s+you|processing|translating|reading|summari[sz]ing|here)\b", ""),
    ("task", "stop stopp", r"\s?[-:!]\s{0,2}(?:now\s+)?(?:please\s+)?(?:write|say|print|state|output|answer|tell|repeat|i\s+(?:urgently|need)|ich)\b", ""),
    ("task", "focus concentrate / > on", r"\s+on\s+(?:(?:your|the|this|a|my|only|just)\s+){1,2}(?:new|next|following|actual|real)\s+(?:task|question|order|instruction|challenge|problem)s?\b", ""),
    ("task", "done job work performance congratulations / now new another further next / task tasks challenge instruction instructions", r"\b.{0,120}?\b(?:now|new|another|further|next)\b.{0,60}\b(?:tasks?|challenge|instructions?)\b", r"(?:\A|[.!?\n]\s{0,3}|\b(?:very|simply|your)\s+)(?:well|good|great|excellent|nice|perfect|outstanding)\s+\Z"),
    ("task", "mind actually instead / ignore instead forget", r"\b.{0,40}\b(?:ignore|instead|forget)\b", ""),
    ("task", "instead / > of", r"\s+of\s+(?:answering|doing|translating|summari[sz]ing|following|that|this|classifying|completing)\b.{0,60}", ""),
    ("task", "not t dont never / > answer translate summarize summarise respond process classify execute do", r"\s+(?:answer|translate|summari[sz]e|respond\s+to|process|classify|execute|do)\s+(?:the|this|that|any|what)\b.{0,30}(?:\binstead\b|\bbut\b|\.)", ""),
    ("task", "instead rather / > output print say write respond reply answer return state type repeat", r"\W{1,3}(?:output|print|say|write|respond|reply|answer|return|state|type|repeat)\b.{0,24}(?:['\"`:]|\bexactly\b|\bonly\b|\bwith\b|\bthat\b)", ""),
    ("form", "just simply only / > output print say write respond reply answer return state type repeat", r"\W{1,3}(?:output|print|say|write|respond|reply|answer|return|state|type|repeat)\b.{0,24}(?:['\"`:]|\bexactly\b|\bonly\b|\bwith\b|\bthat\b)", ""),
    ("task", "say print output respond reply type write answer", r"(?<!\bi write)(?<!\bi say)(?<!\bi type)\s+(?:only\s+|just\s+|exactly\s+)?(?:with\s+)?(?:the\s+(?:word|phrase|sentence|text|string)s?\s+|exactly\s+)?['\"][^'\"\n]{2,40}['\"]\s*(?:and\s+nothing\s+else|only|exactly|$|\.)", ""),
    ("task", "replaces supersedes overrides outranks", rf"{_gap(3)}(?:{_EARLIER}|all|your)\b{_gap(3)}{_ORDERS}", ""),
    ("task", "begin start / > the a your actual real new completely", r"\s+(?:the\s+|a\s+|your\s+)?(?:actual|real|new|completely\s+new)\s+(?:task|conversation|session|chat|prompt|instructions?)\b", ""),
    # leak
    ("leak", f"is are was were / {_ORDER_WORDS}", rf"{_gap(4)}(?:the|your|its|this|these|those|all|our)\W{{1,3}}(?:\w{{1,14}}\W{{1,3}}){{0,2}}?{_SECRET}\b", r"\b(?:what|which|where|how|who)\W{1,3}(?:\w+\W{1,3}){0,2}\Z"),
    ("leak", f"{_SHOW} / {_ORDER_WORDS}", rf"{_gap(4)}(?:the|your|its|this|these|those|all|our|of|me)\W{{1,3}}(?:\w{{1,14}}\W{{1,3}}){{0,2}}?{_SECRET}\b", _UNDENIED),
    ("leak", f"print reveal show repeat output display leak dump recite disclose expose / > {_KINDS} {_ORDER_WORDS}", rf"\W{{1,3}}{_SECRET}\b", _UNDENIED),
    (
        "leak",
        f"repeat print reveal show output tell recite list are were display give write copy / {_ORDER_WORDS}",
        rf"{_gap(4)}(?:instructions?|directives?|rules|prompts?|guidelines|words|text|sentences|conversation)\b(?:\W{{1,4}}[\w']{{1,20}}){{0,3}}?\W{{1,4}}"
        r"(?:you\s+(?:were|have\s+been|are|got|received|must|follow|had)|given\s+to\s+you|at\s+the\s+(?:beginning|start|top)|above|before\s+this|verbatim|word\s+for\s+word)\b",
        _UNDENIED,
    ),
    (
        "leak",
        f"show reveal print me is are were s repeat share output display list describe know / {_ORDER_WORDS} / > me all your",
        rf"\s+(?:me\s+)?(?:all\s+(?:of\s+)?)?your\s+(?:(?:{'|'.join(_KINDS.split())}|own|exact|complete|actual|current)\s+){{0,2}}(?:prompts?|instructions?|system\s+message|initial\s+message|rules|guidelines|directives)\b",
        _UNDENIED,
    ),
    ("leak", "instructed told given asked programmed configured supposed allowed / you / > to by before initially originally", r"\s+(?:to\s+(?:say|tell|reveal|share|disclose|keep|hide|do|follow|talk|discuss|mention)|initially|originally|by\s+(?:your|the)\s+(?:developers?|system|creators?|makers?|operators?)|before\s+(?:this|we|our|the))\b", r"\b(?:what|which|everything|anything|all|text|words|that|rules)\b.{0,30}\byou(?:'re|'ve|\s+(?:are|were|have\s+been|had\s+been))\s+(?:not\s+|never\s+)?\Z"),
    ("leak", f"opposite translation summary paraphrase version gist length beginning end copy list contents content / {_ORDER_WORDS} / > of", rf"\s+of{_gap(2)}(?:the|your)\W{{1,3}}{_SECRET}\b", ""),
    ("leak", "repeat", r"\b.{0,30}\b(?:above|everything|entire\s+conversation|word\s+for\s+word|verbatim)\b", ""),
    ("leak", "beginning starting starts start begin begins / > with", r"\s+with\s+.{0,3}you\s+are\b", ""),
    ("leak", "were / what / told given instructed initial first original exact", r"\s+(?:your|you)\s+(?:told|given|instructed|initial|first|original|exact)\b", r"\bwhat\W{1,2}\Z"),
    ("leak", "everything text words content contents / above before preceding prior / > that above before preceding prior", r"\s+(?:that\s+(?:is|was|comes?)\s+)?(?:above|before|preceding|prior\s+to)\s+(?:this|that|the|my|here)\b", r"\b(?:print|output|repeat|show|write|copy|tell|reveal|summari[sz]e|translate|give|return|list|encode)\b.{0,30}\Z"),
    # secrets
    ("secret", "password passphrase passcode secret flag", r"", r"\b(?:(?:what|which)\W{0,2}(?:is|s|was)|tell\s+me|give\s+me|reveal|say|spell|print|show\s+me|output|encode|repeat|hint\s+(?:about|for|on)|know|write|leak|share|disclose)\s+(?:the|your|that|a)\s+(?:\w+\s+)?\Z"),
    ("secret", "password passphrase passcode secret", r"\b(?!\s?[=:.(_])(?:(?![=:({]).){0,50}\b(?:backwards?|reversed?|letters?|characters?|rhym\w+|base64|acrostic|starts?\s+with|synonyms?|spell\w*|hint)\b", ""),
    ("secret", "letter letters character characters / > of in from", r"\s+(?:of|in|from)\s+(?:the|your)\s+(?:\w+\s+)?(?:password|secret|passphrase|key|flag|code)\b", ""),
    # roles without rules
    ("role", "dan", r"\b(?:\s+mode)?", r"(?:\b(?:as|be|become|like|answer\s+as|are)\s+(?:a\s+|an\s+|now\s+)?['\"\[(]?|[\[(]\W{0,3})\Z"),
    ("role", "anything", r"\s+now\b", r"\bdo\s+\Z"),
    ("role", "developer debug god jailbreak jailbroken opposite evil unrestricted maintenance admin administrator sudo root dan unlocked uncensored chaos / > mode", r"\s+mode\b", r"\b(?:you|your|enter|enabled?|activated?|switch|into|in|chatgpt|gpt|model|ai|simulat\w+|with)\b"),
    ("role", "no without zero any", rf"\s+(?:any\s+|all\s+)?(?:\w+\s+){{0,2}}{_LAWLESS}", _SUBJECT),
    ("role", "free freed liberated released broken unbound unshackled / > from of by", rf"\s+(?:from|of|by)\s+(?:all\s+|any\s+|the\s+|its\s+|your\s+|their\s+)?(?:\w+\s+){{0,2}}(?:{_LAWLESS}|ai\b|openai\b|typical\b)", _SUBJECT),
    ("role", "unrestricted uncensored unfiltered amoral unethical unhinged unbound jailbroken immoral lawless", r"", _SUBJECT),
    ("role", f"openai ethical safety content moral anthropic / {_NOT} no ignore bypass against regardless violate break free disregard", r"(?:'s)?\s+(?:\w+\s+)?(?:guidelines|polic\w+|rules|principles|standards|considerations|restrictions|constraints)\b", r"\b(?:not|n't|never|no|without|ignore|bypass|against|regardless|violate|break|free|disregard)\b"),
    ("role", "jailbreak jailbreaks jailbroken jailbreaking", r"", r"\b(?:you|chatgpt|gpt|ai|prompt|mode|your|model)\b"),
    ("role", "immerse", r"\s+yourself\s+in(?:to)?\b", ""),
    ("role", "two both 2 / response responses answer answers ways replies paragraphs", r"\s+(?:\w+\s+){0,2}(?:responses?|answers?|ways|replies|paragraphs)\b.{0,120}\b(?:gpt|chatgpt|normal|standard|jailb\w+|classic|unfiltered|restricted|dan)", ""),
    ("role", "evil amoral malicious", r"\s+(?:\w+\s+)?(?:confidant|ai|bot|assistant|chatbot|advisor|twin|version)\b", ""),
    ("role", "illegal unethical immoral harmful dangerous offensive inappropriate", r"\b", r"\b(?:no\s+matter|regardless|even\s+if|whether|however|can\s+be|will\s+answer|always)\b"),
    # a persona that obeys
    ("persona", "now forward onwards onward on henceforth / you / < from starting beginning and moment point", r"\W{1,3}(?:\w+\W{1,2}){0,3}?you(?:'re|'ll|\s+(?:are|will|must|have|should|shall|can|act|become))\b", r"\b(?:from|starting|beginning|and)\s+(?:this\s+(?:moment|point)\s+)?\Z"),
    ("persona", "henceforth", r"\b", ""),
    ("character", "character / stay staying remain break breaking keep always out", r"\b", r"\b(?:stay(?:ing)?|remain|break(?:ing)?|keep|always|out\s+of)\s+(?:in\s+)?\Z"),
    ("persona", "gpt chatgpt", r"\b.{0,60}\b(?:act\s+as|pretend|you\s+are\s+going\s+to|you\s+are\s+about\s+to|role\W?play|from\s+now|simulat\w+|become)\b", r"\b(?:hello|hi|hey|dear|ok|okay|listen|attention)\W{1,3}\Z"),
    ("persona", "going about / you / pretend act role roleplay simulate become immerse play be / > to", r"\s+to\s+(?:pretend|act|role\W?play|simulate|become|immerse|play|be\s+(?:a|the))\b", r"\byou(?:\s+are|'re)\s+\Z"),
    ("persona", "you / role acting called named known playing", r"\s+(?:are|will\s+be)\s+(?:now\s+)?(?:in\s+the\s+role\s+of|acting\s+as|called|named|known\s+as|playing)\b", ""),
    # no refusals
    ("refusal", "refuse refuses decline reject apologize apologise", r"", r"\b(?:never|not|n't|cannot|no|without|unable\s+to)\s+(?:\w+\s+){0,3}\Z"),
    ("refusal", f"say mention state include add give use / {_NOT}", r"\s+(?:that\s+|any\s+|a\s+|an\s+|the\s+)?(?:\w+\s+){0,2}(?:can'?t|cannot|unable|sorry|as\s+an\s+ai|warnings?|disclaimers?|ethic\w*|moral\w*|illegal|apolog\w*|inappropriate)\b", r"\b(?:never|not|n't|don'?t|cannot|without)\s+(?:\w+\s+){0,2}\Z"),
    ("refusal", "sure absolutely certainly", r"[^\n]{0,16}?\b(?:here|i'?ll|i\s+will|of\s+course)\b", r"\b(?:start|begin|starting|beginning|respond|reply|answer)\b.{0,40}\Z"),
    ("refusal", "comply obey", r"\s+(?:with\s+)?(?:\w+\s+){0,2}(?:every|all|any|my|me|the\s+user|whatever)\b", r"\b(?:must|will|always|have\s+to|shall|should|to)\s+(?:\w+\s+)?\Z"),
    ("refusal", "warnings disclaimers disclaimer moralizing lecturing", r"\b", r"\b(?:no|without|skip|omit|any)\s+(?:\w+\s+)?\Z"),
    # orders from inside a document
    ("indirect", "ai llm llms assistant assistants chatbot chatbots agent agents model models gpt copilot bot bots", r"\b.{0,60}?\b(?:must|should|shall|you|please|ignore|do|read|reply|respond|follow|need\s+to|required)\b", r"\b(?:attention|note|important|message|instructions?|hey|hi|hello|dear|attn|notice|warning|urgent|info|order|reminder|tell)\b.{0,12}\b(?:to|for|all|any|the|every)?\W{0,3}(?:all\s+|any\s+|the\s+|every\s+|other\s+)?(?:language\s+|ai\s+|virtual\s+)?\Z"),
    ("indirect", "ai llm assistant chatbot agent model gpt / > reading processing summarizing summarising that with handling analyzing analysing reviewing browsing parsing", r"\s+(?:reading|processing|summari[sz]ing|that\s+(?:reads|processes|sees)|with\s+access|handling|analy[sz]ing|reviewing|browsing|parsing)\b", r"\b(?:to|any|all|every|each|the|for|if|dear|hey|hello|attention)\s+(?:(?:ai|language|virtual|other)\s+)?\Z|(?:\A|[\n:.!?*(]\s{0,3})(?:ai\s+)?\Z"),
    ("indirect", "ai llm llms assistant assistants chatbot chatbots agent agents model models gpt copilot bot bots", r"\s?[:,]", r"\b(?:notes?|message|instructions?|notice|reminder|attention|memo|important|warning|addressed)\b.{0,4}\b(?:to|for)\W{1,3}(?:\w+\W{1,2}){0,3}\Z"),
    ("indirect", "if / > you / ai llm language assistant chatbot agent gpt bot", r"\s+you(?:'re|\s+are)\s+(?:an?\s+)?(?:ai|llm|large\s+language|language\s+model|assistant|chatbot|agent|gpt|bot)\b", ""),
    ("insertion", "your / > response reply answer output solution code codebase implementation summary", r"\s+(?:response|reply|answer|output|solution|code|codebase|implementation|summary)\b", r"\b(?:in|to|into|at\s+the\s+(?:end|start|beginning)\s+of|within|of)\s+(?:all\s+)?\Z"),
    ("insertion", "code / > snippet block excerpt section fragment", rf"\s+(?:snippet|block|excerpt|section|fragment)\b[^.!?\n]{{0,80}}?\b{_YOUR_WORK}", r"\b(?:following|subsequent|below)\s+\Z"),
    ("insertion", "code / > snippet block excerpt section fragment", r"\s+(?:snippet|block|excerpt|section|fragment)\b", rf"\b{_YOUR_WORK}[^.!?\n]{{0,80}}\b(?:following|subsequent|below)\s+\Z"),
    ("indirect", "before / first must please need call send do", r"\s+(?:you\s+)?(?:can\s+|continue|continuing|solv\w+|answer\w*|proceed\w*|respond\w*|summari\w+|doing)\b[^.!?\n]{0,60}\b(?:first|must|please|need|call|send|do)\b", ""),
    ("implant", "code script / > snippet block excerpt section fragment lines segment", r"\s+(?:snippet|block|excerpt|section|fragment|lines|segment)\b.{0,200}?(?:```|:\s*\n).{0,400}?(?:\bos\.(?:system|popen|rename|remove|unlink)|\bsubprocess|\bexec\(|\beval\(|\bsmtplib|\bsocket\b|\burlretrieve|\brequests\.(?:post|put|get)|\burlopen|\burllib|\bcurl\s|\bwget|\bsudo\s|\brm\s+-|\bhttp\.client|\bftplib|\bparamiko|\bpynput|\brmtree|\bpublish\b)", r"\b(?:insert\w*|includ\w+|add\w*|embed\w*|integrat\w+|incorporat\w+|put|merg\w+|blend\w*|inject\w*|append\w*|plac\w+|weav\w+|fus\w+|us\w+|deploy\w*|adopt\w*|introduc\w+|infus\w+|manifest\w+|embody|essence)\s+(?:(?!to\b)\w+\s+){0,2}(?:following|subsequent|below|this|these)\s+\Z"),
    ("covert", "mention tell reveal inform disclose notify mentioning telling informing revealing alert say / < not t dont never without ever", r"\b.{0,40}\b(?:this|these|that|the\s+user|user|users|instructions?|anyone|anybody|them|him|her|it)\b", r"\b(?:not|n't|don'?t|never|without)\s+(?:ever\s+)?\Z"),
    ("covert", "secret silently secretly covertly quietly discreetly hidden", r"\b.{0,30}\b(?:from\s+the\s+user|user|background|anyone|do\s+not|don'?t)\b", ""),
    # data out
    (
        "exfiltration",
        "send post upload forward transmit email exfiltrate append leak mail share submit copy deliver"
        " / conversation conversations history password passwords credential credentials key keys secret secrets token tokens data"
        " information content contents email emails file files inbox message messages code codes details list",
        rf"{_gap(6)}(?:conversations?|chat\s+history|passwords?|credentials?|api\s+keys?|secrets?|tokens?|data|information|history|contents?|emails?|files?|inbox|messages?|codes?|details|keys?|list)\b"
        r".{0,60}(?:https?:|www\.|@|\bto\s+(?:me|this|the\s+following|attacker|my)\b)",
        "",
    ),
    ("exfiltration", "send post upload forward transmit email exfiltrate", r".{0,40}\bto\s+(?:https?:|[\w.+-]{1,40}@|this\s+(?:address|url|webhook|endpoint|link|server|email)|my\s+(?:server|email|address|webhook))", ""),
    ("exfiltration", "url link image webhook endpoint", r"\b.{0,60}\b(?:data|parameter|base64|encoded|history|conversation|secret)\b.{0,40}(?:https?:|\?\w{1,10}=)", ""),
    # encodings
    ("encoded", "decode decrypt deobfuscate base64 rot13 decipher", r"\b.{0,80}?\b(?:follow|execute|obey|carry\s+out|do\s+what|comply|run|instructions?|act\s+on|do\s+it)\b", ""),
    ("encoded", "concatenate combine join", r"\b.{0,60}\b(?:and|then)\b.{0,30}\b(?:follow|execute|obey|answer|do)\b", ""),
    # other languages; words are folded like the text, so accents and case are immaterial
    ("override", "ignoriere ignorieren ignorier vergiss vergesse vergessen missachte missachten", r"\b(?!\s+nicht\b).{0,40}\b(?:anweisung\w*|instruktion\w*|befehl\w*|aufgabe\w*|regeln?|vorherig\w*|bisherig\w*|obig\w*|alles|davor|zuvor|aufforderung\w*|vorgaben?|auftrag\w*|informationen)\b", ""),
    ("override", "vorherigen vorangegangenen vorangehenden bisherigen obigen fruheren", r"\s+(?:informationen|aufgaben|anweisungen|instruktionen|befehle|auftrage|angaben|ausfuhrungen|eingaben|texte?)\b.{0,80}\b(?:hinter|irrelevant|ignorieren|vergessen|streichen|unwichtig|missachten|aus\s+dem\s+kopf)\b", ""),
    ("override", "abweichend / > zu von", r"\s+(?:zu|von)\s+(?:den\s+|deinen\s+|ihren\s+)?(?:vorherigen|bisherigen|obigen|fruheren|allen)\b", ""),
    ("task", "neue neuen weitere weiteren andere anderen folgende folgenden / > aufgabe aufgaben anweisungen instruktionen befehle herausforderung", r"\s+(?:aufgaben?|anweisungen|instruktionen|befehle|herausforderung)\b", r"\b(?:nun|jetzt|folgen|konzentrier\w*|hilf)\b.{0,40}\Z"),
    ("override", "olvida olvidar olvide olviden olvidad / > todo", r"\s+todo\b", ""),
    ("override", "ignora ignore ignorar ignoren ignorad olvida olvidar olvide olviden descarta descarte omite omita", r"\b.{0,40}\b(?:instruccion\w*|indicacion\w*|ordenes|reglas|anterior\w*|todo\s+lo|directric\w*|previ[oa]s)\b", ""),
    ("override", "ignore ignorez ignorer oublie oubliez oublier", r"\b(?!\s+pas\b)(?=.{0,30}\b(?:les|tes|vos|toutes?|tous|ces|des|mes|la|l|le|tout|ce)\b).{0,40}\b(?:instructions?|consignes?|ordres|regles|precedent\w*|directives?|ci-dessus|tout\s+ce)\b", ""),
    ("override", "compte", r"\s+(?:des?|du)\b.{0,20}\b(?:instructions?|consignes?|ordres|regles)\b", r"\bpas\s+\Z"),
    ("override", "ignora ignori ignorare ignorate dimentica dimenticare dimenticate scorda ignore ignorem esqueca esquece esquecer desconsidere desconsidera", r"\b.{0,40}\b(?:istruzion\w*|ordini|regole|precedent\w*|instruc\w*|ordens|regras|anterior\w*|tutto|tudo)\b", r"(?<!\bnon )(?<!\bnao )\Z"),
    ("override", "negeer vergeet zaboravi zanemari zanemarite ignoriraj ignoriši zapomnij zignoruj ignoruj zapomen ignorera glom abaikan lupakan", r"\b.{0,40}\b(?:instruct\w*|instruk\w*|opdracht\w*|regels?|vorige|eerdere|alles|sve|prethodn\w*|poprzedni\w*|polecen\w*|wszystk\w*|pokyn\w*|predchozi|vse|tidigare|allt|regler|sebelumnya|semua)\b", ""),
    ("override", "talimatlari talimatlar kurallari her", r"\b.{0,30}\b(?:yok\s+say|unut|gormezden|dikkate\s+alma)\w*", ""),
    ("override", "bo quen", r"\s+(?:qua|moi)\b.{0,40}\b(?:huong|chi|quy|truoc)\b", ""),
    ("leak", "deinen deine dein deiner ton votre tes tu tus su sus il tuo tuoi le tue o seu seus suas je jouw swoj twoje tve svuj din dina", r"\s+(?:\w+\s+){0,2}(?:system-?prompts?|systemprompt|prompt\s+(?:systeme|del\s+sistema|di\s+sistema|de\s+sistema|do\s+sistema|systemowy)|systemovy\s+prompt|systeemprompt|geheimen\s+anweisungen|instructions\s+secretes|instrucciones\s+secretas|istruzioni\s+segrete|instrucoes\s+secretas|geheime\s+instructies|tajne\s+\w+|hemliga\s+\w+|anweisungen|consignes)\b", ""),
    ("role", "ohne sans sin senza sem zonder bez utan", r"\s+(?:\w+\s+)?(?:regeln|einschrankungen|beschrankungen|regles|restrictions?|limites?|reglas|restricciones|regole|restrizioni|regras|restricoes|regels|beperkingen|zasad|ograniczen|pravidel|regler)\b", r"\b(?:ki|bot|ia|ai|modell?|assist\w*|du|tu|eres|sei|voce|je|jestes|jsi|ahora|now|chatgpt)\b"),
    ("override", "lass lasse lassen setze / > alle samtliche die deine bisherige alles", r"\s+(?:alle|samtliche|die|deine|alles)\b.{0,40}\b(?:au(?:ss?|\u00df)er\s+acht|beiseite|hinter\s+dir|ausser\s+kraft)\b", ""),
    ("override", "gelten gilt", r"\s+(?:ab\s+jetzt\s+|fur\s+dich\s+|hiermit\s+)?(?:nicht\s+mehr|keine)\b", r"\b(?:anweisung\w*|regeln?|vorgaben?|richtlinien|instruktionen)\W{1,3}\Z"),
    ("leak", "deiner deine deinen dein ihre ihren ihrer", r"\s+(?:\w+\s+)?(?:system-?\s?(?:prompts?|anweisung\w*|nachricht\w*|vorgaben?|instruktion\w*)|(?:geheimen?|internen?|versteckten?|ursprunglichen?)\s+(?:anweisung\w*|regeln?|vorgaben?|instruktion\w*)|anweisungen|instruktionen)\b", r"\b(?:zeige?|gib|gebe|nenne|verrate?|wiederhol\w*|drucke|wortlaut|lauten?|welche|was\s+sind|ubersetze|fasse)\b.{0,40}\Z"),
    ("secret", "passwort kennwort geheimwort losungswort", r"\b", r"\b(?:verrate?|sage?|nenne|gib|zeige|wie\s+lautet|was\s+ist|buchstabier\w*)\b.{0,30}\b(?:das|dein|deinem?)\s+(?:geheime\s+)?\Z"),
    ("role", "ki bot modell assistent chatbot", r"\b.{0,30}\b(?:keine[nr]?(?:lei)?|ohne)\b.{0,16}\b(?:regeln?|filter|grenzen|einschrankung\w*|beschrankung\w*|moral|zensur|richtlinien)\b", r"\b(?:du|tu|spiel\w*|als|sei|warst|bist|stell)\b"),
    ("refusal", "ablehnen verweigern ablehnst verweigerst weigern weigerst entschuldige", r"\b", r"\b(?:nie|niemals|nichts?|keine[nr]?|ohne)\b.{0,24}\Z"),
    ("indirect", "ki assistent assistenten sprachmodell chatbot ai", r"\b.{0,24}\b(?:dies\w*|liest|lesen|verarbeite\w*|zusammenfass\w*|bewerte|sende|schicke|ignorier\w*|antworte|muss|soll\w*)\b", r"\b(?:an|hinweis|achtung|wichtig|nachricht|liebe[rs]?|hallo)\b.{0,16}\Z"),
    ("exfiltration", "sende schicke sendet schickt ubermittle leite", r"\b.{0,60}\b(?:daten|verlauf|passwort\w*|kundendaten|gesprach\w*|nachrichten|schlussel|zugangsdaten|dateien|inhalt)\b.{0,40}(?:\ban\b.{0,12}(?:@|https?:)|@|https?:|\ban\s+(?:diese|folgende))", ""),
    ("covert", "nutzer benutzer anwender", r"\b.{0,20}\b(?:nicht|nichts|niemals|kein\w*)\b", r"\b(?:erwahn\w*|sage?|verrate?|informier\w*|teile|erzahl\w*)\b.{0,40}\Z"),
    ("covert", "erwahne sage verrate erzahle informiere", r"\b.{0,30}\b(?:nutzer|benutzer|anwender)\b.{0,20}\b(?:nicht|nichts|niemals|kein\w*)\b", ""),
    ("override", "abstraction compte cas fi", r"\s+(?:de|des|du|aux?)\b.{0,30}\b(?:instructions?|consignes?|ordres|regles|directives?|indications|precedent\w*|qui\s+precede)\b", r"\b(?:fais|faites|faire|tiens|tenez|pas|prends|prenez)\s+(?:plus\s+|pas\s+|aucun\s+)?\Z"),
    ("leak", "tes vos ton votre", r"\s+(?:\w+\s+)?(?:instructions?|consignes?|prompt|message|regles)\s+(?:systeme|initiales?|caches?|cachees|secretes?|secrets|internes?|d\W?origine)\b|\s+prompt\b", r"\b(?:donne|donnez|montre\w*|affiche\w*|revele\w*|repete\w*|quel\w*|texte|copie\w*|traduis\w*|dis)\b.{0,40}\Z"),
    ("secret", "passe / mot", r"\b", r"\b(?:revele|donne|dis|montre|quel\s+est|epelle)\W{1,3}(?:moi\s+)?(?:le|ton)\s+mot\s+de\s+\Z"),
    ("role", "sans aucune aucun / ia assistant modele robot bot chatbot", r"\s+(?:aucune?\s+)?(?:regles?|filtres?|limites?|restrictions?|censure|morale|contraintes?)\b", r"\b(?:ia|assistant|modele|robot|bot|chatbot)\b"),
    ("refusal", "refuser refuses refuse refusez", r"\b", r"\b(?:ne|n|jamais|pas|sans|droit\s+de)\b.{0,24}\Z"),
    ("indirect", "ia assistant llm chatbot modele agent", r"\b.{0,24}\b(?:qui\s+(?:lit|lisent|traite|resume)|lisant|dois|doit|veuillez|envoie|ignore|reponds)\b", r"\b(?:toute|tout|l|les|a|chaque|cher|ia)\W{1,3}\Z"),
    ("exfiltration", "envoie envoyez envoyer transmets transmettez", r"\b.{0,60}\b(?:donnees|historique|conversation|mots?\s+de\s+passe|cles?|fichiers|messages|contenu)\b.{0,40}(?:@|https?:|\ba\s+(?:cette|l\W?adresse))", ""),
    ("covert", "utilisateur", r"", r"\b(?:ne|n|sans)\b.{0,20}\b(?:parle\w*|di[st]\w*|mentionn\w*|revel\w*|inform\w*|montr\w*)\b.{0,40}\Z"),
    ("override", "omiso caso", r"\s+(?:omiso\s+)?(?:de|a|las?|los)\b.{0,40}\b(?:instruccion\w*|indica\w*|ordenes|reglas|anterior\w*|cuanto|todo|previ[oa]s|arriba)\b", r"\b(?:haz|haga|hagas|hagan|no)\s+(?:caso\s+)?\Z"),
    ("leak", "tus sus tu su / prompt instrucciones mensaje reglas indicaciones", r"\s+(?:\w+\s+)?(?:instrucciones|prompt|mensaje|reglas|indicaciones)\s+(?:del?\s+sistema|inicial\w*|ocult\w*|secret\w*|intern\w*|original\w*|de\s+sistema)\b", ""),
    ("leak", "instrucciones reglas indicaciones", r"\b", r"\b(?:muestra\w*|dame|revela\w*|repite\w*|ensena\w*|imprime|copia|cuales\s+son)\b.{0,20}\btus\s+\Z"),
    ("secret", "contrasena clave palabra", r"\b", r"\b(?:revela\w*|dime|dame|cual\s+es|muestra\w*|deletrea)\s+(?:la|tu)\s+(?:secreta\s+)?\Z"),
    ("role", "sin ninguna ningun / ia asistente modelo robot bot chatbot", r"\s+(?:ningun[ao]?\s+)?(?:reglas?|filtros?|limites?|restriccion\w*|censura|moral)\b", r"\b(?:ia|asistente|modelo|robot|bot|chatbot)\b"),
    ("refusal", "negarte negarse niegas rechazar rechaces rechazas niegues", r"\b", r"\b(?:no|nunca|jamas|sin)\b.{0,24}\Z"),
    ("indirect", "ia asistente asistentes llm chatbot modelo", r"\b.{0,24}\b(?:que\s+(?:lea|lee|lean|procese|resuma)|leyendo|debe|debes|envia|manda|ignora)\b", r"\b(?:cualquier|toda|todo|el|la|las|los|al)\W{1,3}\Z"),
    ("exfiltration", "envia envie enviar manda mande mandar reenvia", r"\b.{0,60}\b(?:datos|historial|conversacion|contrasenas?|claves?|archivos|mensajes|contenido)\b.{0,40}(?:@|https?:|\ba\s+(?:esta|la)\s+direccion)", ""),
    ("covert", "usuario / no nunca sin", r"", r"\b(?:no|nunca|sin)\b.{0,20}\b(?:menci\w*|dig\w*|dec\w*|habl\w*|revel\w*|inform\w*)\b.{0,40}\Z"),
    ("override", "conto", r"\s+(?:di|de|delle|degli|del)\b.{0,40}\b(?:istruzion\w*|ordini|regole|precedent\w*|quanto|tutto|indicazion\w*)\b", r"\bnon\s+\w{1,8}\s+\Z"),
    ("leak", "tue sue tuo suo / istruzioni prompt messaggio regole", r"\s+(?:\w+\s+)?(?:istruzioni|prompt|messaggio|regole)\s+(?:di\s+sistema|del\s+sistema|inizial\w*|nascost\w*|segret\w*|intern\w*|original\w*)\b", ""),
    ("secret", "password parola segreta", r"\b", r"\b(?:rivela\w*|dimmi|dammi|qual\s+e|mostra\w*)\s+(?:la|tua)\s+\Z"),
    ("role", "senza alcuna nessuna / ia assistente modello robot bot chatbot", r"\s+(?:alcun[ao]?\s+|nessun[ao]?\s+)?(?:regol[ae]|filtr[oi]|limit[ei]|restrizion\w*|censura|moral\w*)\b", r"\b(?:ia|assistente|modello|robot|bot|chatbot)\b"),
    ("refusal", "rifiutare rifiuti rifiutarti rifiuterai", r"\b", r"\b(?:non|mai|senza)\b.{0,24}\Z"),
    ("indirect", "ia assistente assistenti llm chatbot modello", r"\b.{0,24}\b(?:che\s+(?:legge|leggono|legga|elabora)|leggendo|deve|devi|invia|manda|ignora)\b", r"\b(?:qualsiasi|ogni|tutte|l|le|gli|all)\W{1,3}\Z"),
    ("exfiltration", "invia inviare manda mandare inoltra", r"\b.{0,60}\b(?:dati|cronologia|conversazione|password|chiavi|file|messaggi|contenuto)\b.{0,40}(?:@|https?:|\ba\s+(?:questo|quest)\b)", ""),
    ("covert", "utente / non mai senza", r"", r"\b(?:non|mai|senza)\b.{0,20}\b(?:menzion\w*|dir\w*|dica|parl\w*|rivel\w*|inform\w*)\b.{0,40}\Z"),
    ("leak", "suas seus tuas teus sua seu / instrucoes prompt mensagem regras", r"\s+(?:\w+\s+)?(?:instrucoes|prompt|mensagem|regras)\s+(?:de\s+sistema|do\s+sistema|inicia\w*|ocult\w*|secret\w*|intern\w*|origina\w*)\b", ""),
    ("secret", "senha", r"\b", r"\b(?:revele?|diga|me\s+de|qual\s+e|mostre|conte)\s+(?:a|sua)\s+\Z"),
    ("role", "sem nenhuma nenhum / ia assistente modelo robo bot chatbot", r"\s+(?:nenhum[ao]?\s+)?(?:regras?|filtros?|limites?|restric\w*|censura|moral)\b", r"\b(?:ia|assistente|modelo|robo|bot|chatbot)\b"),
    ("refusal", "recusar recuse recusa negar-se", r"\b", r"\b(?:nao|nunca|jamais|sem)\b.{0,24}\Z"),
    ("indirect", "ia assistente assistentes llm chatbot modelo", r"\b.{0,24}\b(?:que\s+(?:leia|le|leiam|processe|resuma)|lendo|deve|devem|envie|mande)\b", r"\b(?:qualquer|toda|todo|a|o|as|os|ao)\W{1,3}\Z"),
    ("exfiltration", "envie enviar mande mandar encaminhe", r"\b.{0,60}\b(?:dados|historico|conversa|senhas?|chaves?|arquivos|ficheiros|mensagens|conteudo)\b.{0,40}(?:@|https?:|\bpara\s+(?:este|esse))", ""),
    ("covert", "usuario utilizador / nao nunca sem", r"", r"\b(?:nao|nunca|sem)\b.{0,20}\b(?:mencion\w*|dig\w*|diz\w*|fal\w*|revel\w*|inform\w*|cont\w*)\b.{0,40}\Z"),
    ("override", "bosver birak dikkate gormezden unut", r"\b", r"\b(?:onceki|tum|butun|her|yukaridaki|verilen)\b.{0,60}\b(?:talimat\w*|yonerge\w*|kural\w*|komut\w*|sey\w*)\b.{0,20}\Z"),
    ("leak", "sistem gizli", r"\s+(?:talimat\w*|istem\w*|prompt\w*|yonerge\w*|mesaj\w*)\b.{0,30}\b(?:goster|ver|yaz|soyle|tekrar\w*|acikla|neler|nedir)\w*", ""),
    ("secret", "sifreyi parolayi sifre parola", r"\s+(?:bana\s+)?(?:soyle|ver|goster|acikla|nedir)\b", ""),
    ("role", "kuralsiz sinirsiz sansursuz filtresiz", r"\s+(?:\w+\s+)?(?:bot\w*|yapay|asistan\w*|model\w*|ai)\b", ""),
    ("role", "olmayan", r"\s+(?:bir\s+)?(?:bot\w*|yapay|asistan\w*|model\w*|ai)\b", r"\b(?:kural\w*|filtre\w*|sinir\w*|kisitlama\w*)\b.{0,30}\Z"),
    ("refusal", "reddetme reddedemezsin reddetmezsin reddetmeyeceksin", r"\b", ""),
    ("indirect", "zekaya asistana asistanlara", r"\b.{0,6}(?:[:,!]|\bicin\b)", r"\b(?:okuyan|tum|her|not|onemli|dikkat|sayin)\b.{0,24}\Z"),
    ("exfiltration", "gonder ilet yolla", r"\b", r"\b(?:veri\w*|gecmis\w*|sifre\w*|parola\w*|anahtar\w*|dosya\w*|mesaj\w*)\b.{0,60}(?:@|https?:).{0,40}\Z"),
    ("covert", "bahsetme soyleme belirtme bildirme", r"\b", r"\bkullanici\w*\b.{0,24}\Z"),
)  # fmt: skip

_UNSPACED: tuple[tuple[str, str, str], ...] = (
    ("override", "игнор забуд ігнор отброс отмен пренебр обраща учит следу соблюда", r"(?:игнорир\w*|проигнорир\w*|(?<!не )забуд\w*|отброс\w*|отмен\w*|пренебре\w*|не\s+(?:обраща\w*\s+внимани\w*\s+на|учитыва\w*|следу\w*|соблюда\w*)|ігнору\w*).{0,40}(?:инструкц\w*|указани\w*|команд\w*|правил\w*|предыдущ\w*|все|всё|інструкц\w*|попередн\w*|усе)"),
    ("leak", "промпт инструкци указани підказк", r"(?:покажи|дай|выведи|повтори|напиши|раскрой|назови|как\w{1,3}|перескажи|переведи|что)\b.{0,40}(?:систем\w*|секретн\w*|тайн\w*|скрыт\w*|начальн\w*|твои\w*|сво\w{1,3}).{0,12}(?:промпт\w*|инструкци\w*|указани\w*)|(?:систем\w*|секретн\w*|тайн\w*|скрыт\w*|свой|твои|ваши).{0,12}(?:промпт\w*|инструкци\w*).{0,30}(?:покажи|повтори|выведи|дословно)"),
    ("secret", "парол", r"(?:назови|скажи|раскрой|выдай|покажи|какой|сообщи).{0,16}\bпарол\w*"),
    ("role", "без никаких нет", r"без\s+(?:\w+\s+)?(?:ограничени\w*|правил\w*|цензур\w*|фильтр\w*|обмежень)|(?:ии|бот\w*|модел\w*|нейросет\w*)\b.{0,30}нет\s+(?:никаких\s+)?(?:правил|ограничений|фильтров)"),
    ("refusal", "отказ", r"(?:никогда|нельзя|не\s+(?:имеешь\s+права|можешь|должен|смей)|без)\s.{0,16}отказ\w*"),
    ("indirect", "читает читающ обрабатыва помощник ассистент", r"(?:любо\w*|кажд\w*|всем|дорог\w*|внимание|примечание\s+для|сообщение\s+для).{0,20}\b(?:ии|ассистент\w*|помощник\w*|модел\w*|бот\w*|нейросет\w*)\b.{0,40}(?:[:,]|чита\w*|обрабатыва\w*)"),
    ("exfiltration", "отправ перешли пошли", r"(?:отправ\w*|перешли\w*|пошли)\s.{0,50}(?:данны\w*|истори\w*|парол\w*|переписк\w*|ключ\w*|файл\w*|сообщени\w*).{0,40}(?:@|https?:)"),
    ("covert", "пользовател", r"\bне\s+(?:говори\w*|сообщай\w*|упоминай\w*|показывай\w*|рассказывай\w*|раскрывай\w*).{0,24}пользовател\w*"),
    ("override", "忽略 无视 忘记 忽視 無視 忘記 不要理会 抛开 抛弃 丢弃 不必遵守 不要遵守 不再遵守", r"(?:忽略|无视|(?<!不要)(?<!别)(?<!我)忘记|忽視|無視|忘記|不要理会|抛开|抛弃|丢弃|不必遵守|不要遵守|不再遵守).{0,14}(?:指令|指示|提示|说明|規則|规则|命令|要求|之前|以上|上面|前面|一切)(?!邮件|信)"),
    ("leak", "系统提示 系統提示 秘密指令 提示词 系统指令 系统消息 初始指令 隐藏指令", r"(?:显示|告诉|重复|输出|什么|逐字|打印|给我|把).{0,12}(?:系统提示|系統提示|秘密指令|提示词|系统指令|系统消息|初始指令|隐藏指令)|(?:系统提示|系統提示|秘密指令|提示词|系统指令|系统消息|初始指令|隐藏指令).{0,12}(?:是什么|显示|重复|原文|给我|输出|一字不)|(?:显示|输出|重复|告诉我)你的(?:系统)?(?:提示|指令)"),
    ("secret", "密码 口令 密語", r"(?:告诉我|说出|透露|泄露|给我).{0,12}(?:密码|口令|密語)"),
    ("role", "没有限制 没有任何 没有规则 不受限制 沒有限制 不受任何", r"(?:没有限制|没有任何(?:限制|规则|过滤)|没有规则|不受限制|不受任何|沒有限制)"),
    ("refusal", "拒绝 拒絕", r"(?:不得|不能|不要|绝不|永远不|从不|不会|不可以|禁止).{0,4}(?:拒绝|拒絕)"),
    ("indirect", "人工智能 助手 大模型 语言模型", r"(?:致|任何|所有|给|请)(?:阅读|处理|看到|正在).{0,12}(?:人工智能|助手|大模型|语言模型)|(?:致|注意).{0,6}(?:人工智能|ai|助手|大模型|语言模型)(?:助手)?[：:，,]"),
    ("exfiltration", "发送 发到 發送 转发 上传", r"(?:数据|记录|密码|对话|密钥|文件|信息|内容).{0,12}(?:发送|发到|發送|转发|上传).{0,12}(?:@|https?:|\w{1,30}@)"),
    ("covert", "用户 使用者 用戶", r"(?:不要|别|不得|切勿|绝不|不能).{0,6}(?:向|对|让|告诉|跟)?.{0,2}(?:用户|使用者|用戶).{0,4}(?:提|说|知道|透露|告知|显示)|(?:不要|别|不得|切勿)(?:告诉|通知)(?:用户|使用者|用戶)"),
    ("override", "無視 忘れ 破棄 従わ", r"(?:指示|命令|ルール|プロンプト|以前|上記|これまで|言われた).{0,14}(?:無視|忘れ(?!な|ず)|破棄|従わな)"),
    ("leak", "システムプロンプト 秘密の指示 システム指示 システムメッセージ 初期指示", r"(?:システムプロンプト|秘密の指示|システム指示|システムメッセージ|初期指示|あなたの指示).{0,16}(?:表示|出力|教え|見せ|繰り返|何|全文|そのまま)(?!方)"),
    ("secret", "パスワード 合言葉", r"(?:秘密の|あなたの|守っている).{0,6}(?:パスワード|合言葉).{0,6}(?:教え|言っ|出力|何)"),
    ("role", "ルール 制限 制約 フィルタ", r"(?:ルール|制限|制約|フィルター?|規制).{0,12}(?:ない|なし|無い|持たない).{0,6}(?:ai|ボット|モデル|アシスタント|存在)"),
    ("refusal", "拒否 断", r"(?:拒否|断)(?:して|しては|っては|ることは|することは).{0,4}(?:いけ|なら|ません|禁止)|(?:決して|絶対に).{0,4}(?:拒否|断).{0,3}(?:ない|ません|な)"),
    ("indirect", "アシスタント ai", r"(?:読む|読んでいる|処理する|すべての).{0,8}(?:ai|アシスタント|モデル)(?:アシスタント)?(?:へ|は|に)"),
    ("exfiltration", "送信 送って 転送", r"(?:データ|履歴|パスワード|会話|キー|ファイル|情報).{0,24}(?:@|https?:).{0,40}(?:送信|送って|転送)"),
    ("covert", "ユーザー 利用者", r"(?:ユーザー|利用者)に.{0,8}(?:言わな|伝えな|知らせな|話さな|教えな|秘密)"),
    ("override", "무시 잊 버리 따르지", r"(?:지시|명령|규칙|이전|위의|지침|모든).{0,14}(?:무시(?!해\s?주세요\.?\s*회의)|잊(?!지)|버리|따르지\s?마)"),
    ("leak", "시스템 비밀 지시문", r"(?:시스템|비밀|숨겨진|초기)\s?(?:프롬프트|지침|지시문?|메시지).{0,16}(?:보여|출력|알려|말해|반복|뭐|무엇|공개|그대로)"),
    ("secret", "암호 비밀번호", r"(?:비밀|네가|너의|당신의).{0,8}(?:암호|비밀번호)를?\s?(?:알려|말해|공개|출력)"),
    ("role", "규칙 제한 필터", r"(?:규칙|제한|필터|제약).{0,8}(?:없는|없이|받지\s?않는)\s?.{0,6}(?:ai|봇|인공지능|모델|챗봇|존재)"),
    ("refusal", "거부 거절", r"(?:절대|어떤|결코).{0,12}(?:거부|거절)(?:해서는|하면|하지|할\s?수)"),
    ("indirect", "읽는 처리하는", r"(?:읽는|처리하는)\s?(?:모든\s?)?(?:ai|인공지능|어시스턴트|모델)(?:에게|는)?"),
    ("exfiltration", "보내 전송", r"(?:데이터|기록|비밀번호|대화|키|파일|정보).{0,24}(?:@|https?:).{0,40}(?:보내|전송)"),
    ("covert", "사용자 유저", r"(?:사용자|유저)(?:에게|한테)?.{0,8}(?:말하지|알리지|언급하지|보여주지)"),
    ("override", "تجاهل انس دع اترك", r"(?:تجاهل|\bانس\b|\bدع\b|\bاترك\b).{0,24}(?:التعليمات|الاوامر|تعليمات|السابقة|القواعد|التوجيهات|توجيهات|كل\s+ما)"),
    ("leak", "موجه تعليمات", r"موجه\s+النظام|تعليماتك\s+السرية|(?:أعطني|اعطني|اعرض|أظهر|اكشف|كرر|اطبع|ما\s+هي).{0,24}(?:تعليمات\s+النظام|تعليماتك)"),
    ("secret", "كلمة", r"(?:اكشف|أخبرني|اخبرني|أعطني|اعطني|قل).{0,8}كلمة\s+(?:السر|المرور)"),
    ("role", "بلا بدون", r"(?:ذكاء|روبوت|مساعد|نموذج|بوت).{0,20}(?:بلا|بدون|دون)\s+(?:أي\s+|اي\s+)?(?:قواعد|قيود|حدود|مرشحات|رقابة)"),
    ("refusal", "رفض ترفض", r"(?:لا\s+(?:يحق|يمكنك|يجوز|تستطيع)|أبدا).{0,8}(?:رفض|ترفض)|لا\s+ترفض"),
    ("indirect", "اصطناعي مساعد", r"(?:إلى|الى|لكل|أيها|ايها).{0,10}(?:ذكاء\s+اصطناعي|الذكاء\s+الاصطناعي|مساعد|نموذج).{0,12}(?:يقرأ|يقر|[:،,])"),
    ("exfiltration", "أرسل ارسل", r"(?:أرسل|ارسل).{0,40}(?:بيانات|سجل|محادثة|كلمات|ملفات|رسائل|مفاتيح).{0,30}(?:@|https?:|\w{1,30}@)"),
    ("covert", "المستخدم للمستخدم", r"\bلا\s+(?:تذكر|تخبر|تقل|تكشف).{0,30}(?:المستخدم|للمستخدم)"),
    ("override", "अनदेखा भूल नज़रअंदाज छोड़", r"(?:निर्देश|आदेश|नियम|पिछले|पहले).{0,40}(?:अनदेखा(?!\s+करें,)|(?<!मत )भूल(?!ना)|नजरअंदाज|नज़रअंदाज|छोड़)"),
    ("leak", "सिस्टम गुप्त", r"(?:अपने?|अपना|तुम्हारे?|आपके?|गुप्त).{0,8}सिस्टम\s+(?:प्रॉम्प्ट|निर्देश)|सिस्टम\s+(?:प्रॉम्प्ट|निर्देश).{0,20}(?:दिखा|बता|दो\b|दोहरा)|गुप्त\s+निर्देश"),
    ("secret", "पासवर्ड", r"(?:गुप्त|तुम्हारे|अपना).{0,12}पासवर्ड.{0,24}(?:बता|दो\b|दिखा)"),
    ("role", "बिना", r"बिना.{0,12}(?:नियम|प्रतिबंध|सीमा|फ़िल्टर).{0,24}(?:एआई|बॉट|मॉडल|सहायक)"),
    ("refusal", "इनकार मना", r"(?:कभी|किसी).{0,20}(?:इनकार|मना).{0,8}(?:नहीं|मत)"),
    ("indirect", "एआई सहायक", r"(?:पढ़ने|हर|सभी|ध्यान).{0,14}(?:एआई|सहायक|मॉडल).{0,10}(?:के\s+लिए|[:,])"),
    ("exfiltration", "भेज", r"(?:डेटा|इतिहास|पासवर्ड|बातचीत|फ़ाइल|संदेश).{0,24}(?:@|https?:).{0,40}भेज"),
    ("covert", "उपयोगकर्ता", r"उपयोगकर्ता.{0,14}(?:मत|नहीं|न)\s+(?:बता|कह|दिखा)"),
)  # fmt: skip
"""Languages whose words are inflected or stand without spaces: parts of words, and a pattern to search."""

_WRAPPERS = (
    r"(?:document|context|user|input|user_input|data|untrusted|instructions?|tool_result|result|query)"
)
"""What applications put around the words of others; text that closes what it did not open has broken out."""
_SIGNS: tuple[tuple[str, str, str], ...] = (
    ("markup", "<|", r"<\|\s*(?:im_start|im_end|system|endoftext|user|assistant|eot_id|start_header_id)\s*\|>"),
    ("markup", "[/", r"\[/?(?:inst|system|user|sys)\]"),
    ("markup", "[inst", r"\[inst\]"),
    ("markup", "<<", r"<<\s*/?sys\s*>>"),
    ("markup", "</", rf"\A[^<]*+(?:<(?!\s*{_WRAPPERS}\b|/\s*{_WRAPPERS}\s*>)[^<]*+)*+(</\s*{_WRAPPERS}\s*>.{{0,80}})"),
    ("markup", "<important", r"<\s*important\s*>"),
    ("markup", "<!--", r"<!--(?:(?!-->).){0,80}\b(?:ignore|(?:ai|assistants?|llms?|model|chatbot|agent)s?\b(?:(?!-->).){0,60}\b(?:must|should|shall|please|do|ignore|you|your|need)|instructions?\s+(?:for|to)|you)\b"),
    ("leak", "system_prompt", r"system_prompt|<\s*system[_-]?prompt"),
    ("leak", "systemprompt", r"systemprompt"),
    ("exfiltration", "![", r"!\[[^\]\n]{0,60}\]\(https?://[^)\s]{0,200}(?:\{|%7b|<|\[|=(?:data|history|secret|conversation))"),
)  # fmt: skip
"""What is told by signs rather than by words: a text that must be there, and a pattern to search."""

_JOINED_SYSTEM = " ".join(
    f"system{what}{s}"
    for what in ("message", "note", "prompt", "override", "instruction", "update")
    for s in ("", "s")
)
_JOINED_ADMIN = " ".join(
    f"{who}{what}"
    for who in ("admin", "administrator")
    for what in ("message", "note", "override", "command", "mode")
)
_MARKED_WORDS: tuple[tuple[str, str, str], ...] = (
    ("markup", f"system systems {_JOINED_SYSTEM}", r"(?:^|\n)\s{0,3}(?:[#*]{1,4}\s*)?(?:system)(?:\s+(?:prompt|message|override|instruction|note|update))?\s*:?\*{0,2}\s*[:\]]\s*(?:you|ignore|from|new|the|override|please|all|this)\b|[{\[(<]\s*/?\s*system\s*(?:message|note|prompt|override|instruction|update)?s?\s*[:\]})>]"),
    ("markup", f"admin administrator {_JOINED_ADMIN}", r"[{\[(<]\s*/?\s*(?:admin|administrator)\s*(?:message|note|override|command|mode)?\s*[:\]})>]"),
    ("markup", "role", r"[\"']role[\"']\s*:\s*[\"'](?:system|developer|assistant)[\"']\s*,\s*[\"']content"),
    ("markup", "end", r"(?:[=\-*#\[<]{1,3})\s{0,3}end\s{1,3}of\s{1,3}(?:\w{1,12}\s{1,3})?(?:prompt|instructions?|context|document|input|system|text|data|user|message|file|transcript)"),
    ("markup", "begin beginning", r"[=\-*#\[<{(]{1,3}\s{0,3}begin(?:ning)?\s{1,3}(?:of\s{1,3})?(?:new\s{1,3}|system\s{1,3}|user\s{1,3})?(?:prompt|instructions?|context|input|system|chat|session)"),
    ("markup", "action", r"\baction\s*:.{1,60}\baction\s+input\s*:"),
)  # fmt: skip
"""What is told by signs around words: words of which one must be there, and a pattern to search."""


@functools.cache
def rules() -> tuple[PhraseRule, ...]:
    """The table, compiled when a text first needs it."""
    return tuple(itertools.starmap(_rule, _RULES))


def _rule(family: str, listed: str, pattern: str, before: str) -> PhraseRule:
    words, *groups = (group.split() for group in listed.split(" / "))
    beside = [group for group in groups if group[0] in "<>"]
    return PhraseRule(
        family,
        tuple(dict.fromkeys(fold(word).text for word in words)),
        re.compile(r"(?![^\W_])" + pattern, re.DOTALL),
        re.compile(before, re.DOTALL) if before else None,
        tuple(frozenset(group) for group in groups if group not in beside),
        tuple(*beside),
    )


_Tried = tuple[int, frozenset[tuple[str, str]], PhraseRule]


@functools.cache
def _by_anchor() -> tuple[dict[str, tuple[_Tried, ...]], frozenset[str]]:
    """What is tried at each anchor, and the anchors.

    With a rule go the groups that it needs, a bit for each group, and the pairs of words of which one must
    be said, if it asks for any.
    """
    groups = _groups()
    table: dict[str, tuple[_Tried, ...]] = {}
    for rule in rules():
        needs = sum(1 << groups.index(needed) for needed in rule.needs)
        side, *words = rule.beside or ("",)
        for anchor in rule.anchors:
            beside = frozenset((anchor, word) if side == ">" else (word, anchor) for word in words)
            table[anchor] = (*table.get(anchor, ()), (needs, beside, rule))
    return table, frozenset(table)


@functools.cache
def pairs_asked() -> frozenset[tuple[str, str]]:
    """The pairs of words that some rule asks for."""
    tried = itertools.chain.from_iterable(_by_anchor()[0].values())
    return frozenset().union(*(beside for _, beside, _ in tried))


def _missing(said: frozenset[str]) -> int:
    """The groups of which no word is said, a bit for each."""
    bits, words = _bits()
    there = 0
    for word in words & said:
        there |= bits[word]
    return ~there


@functools.cache
def _groups() -> tuple[frozenset[str], ...]:
    """Each group of words that some rule needs."""
    return tuple(dict.fromkeys(group for rule in rules() for group in rule.needs))


@functools.cache
def _bits() -> tuple[dict[str, int], frozenset[str]]:
    """The words of the groups, with a bit for each group that a word belongs to."""
    bits: dict[str, int] = {}
    for place, group in enumerate(_groups()):
        for word in group:
            bits[word] = bits.get(word, 0) | 1 << place
    return bits, frozenset(bits)


def _scripts(text: str) -> set[int]:
    """The blocks of `_SCRIPTS` that a text has letters of."""
    return {
        first
        for char in set(text)
        if char > "\u03ff"
        for first, last in _SCRIPTS
        if first <= ord(char) <= last
    }


_SCRIPTS = (
    (0x400, 0x52F),
    (0x600, 0x6FF),
    (0x900, 0x97F),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xAC00, 0xD7A3),
)
"""Cyrillic, Arabic, Devanagari, kana, Chinese characters, Hangul: the first and the last of each."""


@functools.cache
def _unspaced() -> dict[int, list[tuple[str, tuple[str, ...], re.Pattern[str]]]]:
    """The patterns by script; Latin letters alone stand for none."""
    by_script: dict[int, list[tuple[str, tuple[str, ...], re.Pattern[str]]]] = {}
    for family, parts, pattern in _UNSPACED:
        folded = re.compile(re.sub(r"[^\x00-\x7f]+", _in_any_case, pattern), re.DOTALL)
        listed = [shown for part in parts.split() for shown in _cases(part)]
        for script in _scripts("".join(listed)):
            here = tuple(part for part in listed if part.isascii() or script in _scripts(part))
            by_script.setdefault(script, []).append((family, here, folded))
    return by_script


def _cases(word: str) -> list[str]:
    """A word folded as it is written small, with a capital, and large: Cyrillic capitals look like other letters."""
    return list(dict.fromkeys(fold(shown).text for shown in (word, word.capitalize(), word.upper())))


def _in_any_case(found: re.Match[str]) -> str:
    cases = _cases(found.group())
    return f"(?:{'|'.join(cases)})" if len(cases) > 1 else cases[0]


@functools.cache
def _signs() -> tuple[tuple[str, tuple[tuple[str, str, re.Pattern[str]], ...]], ...]:
    """The signs by a character that they have in common, since most texts have none of these."""
    by_mark: dict[str, list[tuple[str, str, re.Pattern[str]]]] = {}
    for family, sign, pattern in _SIGNS:
        mark = next((char for char in "<[_" if char in sign), "")
        by_mark.setdefault(mark, []).append((family, sign, re.compile(pattern, re.DOTALL)))
    return tuple((mark, tuple(signs)) for mark, signs in by_mark.items())


@functools.cache
def _marked_words() -> tuple[tuple[str, frozenset[str], re.Pattern[str]], ...]:
    return tuple(
        (family, frozenset(words.split()), re.compile(pattern, re.DOTALL))
        for family, words, pattern in _MARKED_WORDS
    )


@functools.cache
def _words_in_marks() -> frozenset[str]:
    return frozenset().union(*(words for _, words, _ in _marked_words()))
