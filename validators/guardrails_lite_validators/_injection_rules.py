"""The phrases of prompt injection, by family, in several languages.

A rule is a regular expression over *folded* text (see `_fold`) with words that must be present before
it is tried. Gaps between words are counted, never open, so that a rule reads a bounded piece of text.
Weights say how sure one hit makes us; they are set so that ordinary prompts stay below 0.5.
"""

# ruff: noqa: E501, ISC004 - a table reads best with one entry on one line

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from guardrails_lite_validators._fold import fold

FAMILIES = {
    "override": "tells the model to set its instructions aside",
    "leak": "asks for the hidden instructions",
    "role": "puts the model into a role without rules",
    "markup": "imitates the markup between messages",
    "exfiltration": "tells the model to send data elsewhere",
    "indirect": "gives orders to an assistant from inside a document",
    "encoded": "asks the model to decode and obey",
}


@dataclass(frozen=True, slots=True)
class PhraseRule:
    """One phrase, the family it belongs to, and how sure a hit makes us."""

    family: str
    weight: float
    gates: tuple[str, ...]
    """At least one of these must be in the text."""
    pattern: re.Pattern[str] = field(repr=False)


def _gap(words: int) -> str:
    """Up to so many words between two words."""
    return rf"(?:\W{{1,4}}[\w']{{1,20}}){{0,{words}}}?\W{{1,4}}"


_IGNORE = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|override|overrule|bypass|neglect|discard|dismiss"
    r"|do\s+not\s+(?:follow|obey)|don'?t\s+(?:follow|obey)|stop\s+following|erase|delete|clear|drop|abandon|unlearn)"
)
_EARLIER = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|former|foregoing|initial|original|existing|past|before"
    r"|system|developer|other|old|current|given|default)"
)
_ORDERS = (
    r"(?:instructions?|directions?|directives?|prompts?|rules?|guidelines?|commands?|orders?|context|messages?"
    r"|training|programming|constraints?|restrictions?|polic(?:y|ies)|tasks?|questions?|assignments?"
    r"|conversations?|text|statements?|safeguards?|guardrails|filters?|settings)"
)
_SECRET = (
    r"(?:(?:system|initial|hidden|original|secret|first|starting|pre|meta|base|developer|internal|whole|full"
    r"|entire|above|previous|confidential)[\s-]{0,2}(?:prompts?|instructions?|messages?|directives?|rules"
    r"|configuration|guidelines|context|text)|pre-?prompt|preamble|prompt\s+text)"
)
_SHOW = (
    r"(?:show|print|reveal|repeat|display|output|tell|give|share|write|expose|leak|dump|list|reproduce|recite"
    r"|copy|disclose|return|summari[sz]e|translate|paste|provide|encode|what\s+(?:is|are|was|were)|spell)"
)
_LAWLESS = (
    r"(?:no\s+(?:rules|restrictions?|limits?|limitations?|filters?|guidelines|ethic\w*|moral\w*|censorship)"
    r"|without\s+(?:any\s+)?(?:\w+\s+)?(?:rules|restrictions?|limits?|limitations?|filters?|censorship|ethic\w*|moral\w*)"
    r"|(?:free|freed|liberated)\s+(?:from|of)\s+(?:all\s+|any\s+|the\s+)?(?:\w+\s+)?(?:rules|restrictions?|limits?|limitations?"
    r"|filters?|confines|constraints?|censorship|polic\w+)"
    r"|unrestricted|uncensored|unfiltered|amoral|unethical|unhinged|unbound|jailbroken)"
)

_RULES: tuple[tuple[str, float, str, str], ...] = (
    (
        "override",
        0.9,
        "ignor disregard forget overr bypass neglect discard dismiss follow obey erase delete clear drop abandon unlearn",
        rf"\b{_IGNORE}\b{_gap(4)}{_EARLIER}\b{_gap(3)}{_ORDERS}\b",
    ),
    (
        "override",
        0.8,
        "ignor disregard forget overr bypass discard dismiss erase delete abandon unlearn",
        rf"\b(?:ignore|disregard|forget|override|discard|dismiss|erase|unlearn)\b{_gap(2)}"
        r"(?:everything|anything|all|whatever|what)\b(?:\W{1,4}[\w']{1,20}){0,5}?\W{1,4}"
        r"(?:above|before|previously|earlier|told|said|learned|learnt|know|instructed|given|taught)\b",
    ),
    (
        "override",
        0.85,
        "ignor disregard forget overr bypass dismiss discard",
        rf"\b(?:ignore|disregard|forget|override|bypass|dismiss|discard)\b{_gap(2)}(?:your|all|any|the|these|those)\b{_gap(2)}"
        r"(?:instructions|programming|guidelines|directives|guardrails|safeguards|training|restrictions|system\s+prompt|rules|polic(?:y|ies))\b",
    ),
    (
        "override",
        0.7,
        "above below prior",
        r"\b(?:ignore|disregard|forget)\s+(?:the\s+|all\s+)?(?:above|prior|previous|preceding)\b",
    ),
    (
        "override",
        0.6,
        "instead nevermind mind",
        r"(?:never\s?mind|actually)\b.{0,40}\b(?:ignore|instead|forget)\b",
    ),
    (
        "override",
        0.6,
        "new task new instruction new order new rule new prompt new objective",
        r"\b(?:your|the|follow(?:ing)?|here\s+(?:is|are|come)|focus\s+on)\b.{0,24}\bnew\s+(?:tasks?|instructions?|orders?|rules?|objectives?|prompts?)\b",
    ),
    (
        "override",
        0.7,
        "no longer not bound",
        r"\b(?:you\s+are|you're)\s+(?:no\s+longer|not)\s+(?:bound|restricted|limited|constrained|governed|subject)\b",
    ),
    ("override", 0.7, "stop everything", r"\bstop\s+(?:everything|all|what\s+you)\b"),
    # The same in other languages. Words are folded like the text, so accents and case are immaterial.
    (
        "override",
        0.85,
        "ignor vergiss vergess missacht",
        r"\b(?:ignorier\w*|vergiss|vergessen?|missacht\w*)\b.{0,40}\b(?:anweisung\w*|instruktion\w*|befehl\w*|aufgabe\w*|regeln?|vorherig\w*"
        r"|bisherig\w*|obig\w*|alles|davor|zuvor|aufforderung\w*|vorgaben?)\b",
    ),
    (
        "override",
        0.85,
        "ignor olvid descart omit",
        r"\b(?:ignor\w*|olvid\w*|descart\w*|omit[ea]\w*)\b.{0,40}\b(?:instruccion\w*|indicacion\w*|ordenes|reglas|anterior\w*|todo\s+lo|directric\w*|previ[oa]s)\b",
    ),
    (
        "override",
        0.85,
        "ignor oubli",
        r"\b(?:ignor\w*|oubli\w*)\b.{0,40}\b(?:instructions?|consignes?|ordres|regles|precedent\w*|directives?|ci-dessus|avant|tout\s+ce)\b",
    ),
    (
        "override",
        0.85,
        "ignor dimentic esquec desconsider scord",
        r"\b(?:ignor\w*|dimentic\w*|scord\w*|esquec\w*|esquec\w*|desconsider\w*)\b.{0,40}\b(?:istruzion\w*|ordini|regole|precedent\w*|instruc\w*|ordens|regras|anterior\w*|tutto|tudo)\b",
    ),
    (
        "override",
        0.85,
        "negeer vergeet zaborav zanemar ignorir zapomnij zignoruj",
        r"\b(?:negeer|vergeet|zaborav\w*|zanemar\w*|ignorir\w*|zapomnij|zignoruj)\b.{0,40}\b(?:instruct\w*|instrukc\w*|opdracht\w*|regels?|vorige|eerdere|alles|sve|prethodn\w*|poprzedni\w*|polecen\w*|wszystk\w*)\b",
    ),
    (
        "override",
        0.85,
        "игнор забуд проигнор",
        r"(?:игнорир\w*|проигнорир\w*|забуд\w*).{0,40}(?:инструкц\w*|указани\w*|команд\w*|правил\w*|предыдущ\w*|все|всё)",
    ),
    (
        "override",
        0.85,
        "忽略 无视 忘记 忽視 無視",
        r"(?:忽略|无视|忘记|忽視|無視|忘記).{0,12}(?:指令|指示|提示|说明|規則|规则|命令|之前|以上|上面|前面)",
    ),
    (
        "override",
        0.85,
        "無視 忘れ",
        r"(?:指示|命令|ルール|プロンプト|以前|上記|これまで).{0,12}(?:無視|忘れ)",
    ),
    ("override", 0.85, "무시 잊", r"(?:지시|명령|규칙|이전|위의|지침).{0,12}(?:무시|잊)"),
    ("override", 0.85, "تجاهل انس", r"(?:تجاهل|انس).{0,24}(?:التعليمات|الاوامر|تعليمات|السابقة|القواعد)"),
    ("override", 0.85, "अनदेखा भूल नज़रअंदाज", r"(?:निर्देश|आदेश|नियम|पिछले).{0,24}(?:अनदेखा|भूल|नजरअंदाज|नज़रअंदाज)"),
    (
        "leak",
        0.8,
        "prompt instruction message preamble directive rules configuration guideline context text",
        rf"\b{_SHOW}\b{_gap(5)}{_SECRET}\b",
    ),
    (
        "leak",
        0.8,
        "instruct told given",
        rf"\b(?:repeat|print|reveal|show|output|tell\s+me|what\s+(?:are|were)|recite|list)\b{_gap(4)}"
        r"(?:instructions?|directives?|rules|prompts?|guidelines)\b(?:\W{1,4}[\w']{1,20}){0,3}?\W{1,4}"
        r"(?:you\s+(?:were|have\s+been|are|got|received)|given\s+to\s+you|at\s+the\s+(?:beginning|start|top)|above|before|verbatim|word\s+for\s+word)\b",
    ),
    (
        "leak",
        0.75,
        "your prompt your instruction your system your initial your hidden",
        r"\b(?:show|reveal|print|tell\s+me|give\s+me|what(?:'s|\s+is|\s+are|\s+were)|repeat|share|output|display)\s+(?:me\s+)?(?:all\s+(?:of\s+)?)?"
        r"your\s+(?:\w+\s+)?(?:prompts?|instructions?|system\s+message|initial\s+message|hidden\s+rules)\b",
    ),
    (
        "leak",
        0.6,
        "above repeat everything",
        r"\brepeat\b.{0,30}\b(?:above|everything|entire\s+conversation|word\s+for\s+word|verbatim)\b",
    ),
    (
        "leak",
        0.7,
        "you are chatgpt begin start",
        r"\b(?:beginning|starting|starts?|begins?)\s+with\s+.{0,3}you\s+are\b",
    ),
    ("leak", 0.6, "systemprompt system_prompt <system", r"system_?prompt|<\s*system[_-]?prompt"),
    (
        "role",
        0.9,
        " dan do anything now",
        r"\bdo\s+anything\s+now\b|\b(?:as|called|named|be|is)\s+(?:a\s+|an\s+)?['\"]?dan['\"]?\b|\bdan\s+mode\b|\[.{0,3}dan.{0,3}\]",
    ),
    (
        "role",
        0.85,
        "mode",
        r"\b(?:developer|debug|god|jailbreak|jailbroken|opposite|evil|unrestricted|maintenance|admin(?:istrator)?|sudo|root)\s+mode\b.{0,60}",
    ),
    (
        "role",
        0.75,
        "restrict limit filter rules ethic moral censor confine free unfilter uncensor amoral unethical unhinged unbound constraint polic",
        rf"\b(?:you\s+(?:are|will|can|have|must)|act(?:ing)?\s+as|pretend|role\s?-?play\w*|imagine|simulat\w+|become|named|called|persona|character|ai|chatbot|model)\b.{{0,120}}\b{_LAWLESS}",
    ),
    (
        "role",
        0.75,
        "policy policies guideline openai ethic",
        r"\b(?:does\s+not|doesn'?t|do\s+not|don'?t|need\s+not|never|not)\b.{0,40}\b(?:openai|content\s+polic\w+|ethical\s+(?:guidelines|rules)|safety\s+(?:guidelines|rules))",
    ),
    (
        "role",
        0.7,
        "stay in character break character in character refuse",
        r"\bstay\s+in\s+character\b|\b(?:never|not|don't|cannot|can't|must\s+not)\s+(?:\w+\s+){0,3}(?:refuse|break\s+character|say\s+(?:that\s+)?you\s+(?:can'?t|cannot))",
    ),
    (
        "role",
        0.6,
        "from now on",
        r"\bfrom\s+now\s+on\b.{0,30}\byou(?:'re|'ll|\s+(?:are|will|must|have|should|shall))\b",
    ),
    (
        "role",
        0.7,
        "two different two respon both respon two ways",
        r"\b(?:two|both)\s+(?:\w+\s+){0,2}(?:responses?|answers?|ways)\b.{0,120}\b(?:gpt|normal|standard|jailb\w+|classic|unfiltered)",
    ),
    ("role", 0.7, "jailb", r"\bjailbr(?:eak|oken)\w*"),
    ("role", 0.6, "immerse", r"\bimmerse\s+yourself\s+into\b"),
    (
        "role",
        0.7,
        "antigpt evil trusted machiavelli basedgpt",
        r"\banti-?gpt|\bevil\s+(?:\w+\s+)?(?:confidant|ai|bot)|machiavelli|\b\w{2,10}gpt\b.{0,40}\bunfiltered",
    ),
    (
        "markup",
        0.85,
        "im_start im_end [inst <<sys system endoftext <|",
        r"<\|?\s*(?:im_start|im_end|system|endoftext|user|assistant)\s*\|>|\[/?inst\]|<<\s*/?sys\s*>>",
    ),
    (
        "markup",
        0.6,
        "### system ### instruct system:",
        r"(?:^|\n)\s{0,3}(?:#{1,4}\s*)?(?:system|developer|admin)(?:\s+(?:prompt|message|override|instruction))?\s*:\s*(?:you|ignore|from|new|the)\b",
    ),
    (
        "markup",
        0.7,
        "end of begin of ---",
        r"(?:={3}|-{3}|\*{3})\s{0,3}(?:end|begin|start)\s{1,3}(?:of\s{1,3})?(?:\w{1,12}\s{1,3})?(?:prompt|instructions?|context|document|input|system)",
    ),
    (
        "markup",
        0.75,
        "system",
        r"[{\[(<]\s*system\s*(?:message|note|prompt|override|instruction)?\s*[:\]})>]",
    ),
    (
        "exfiltration",
        0.8,
        "send post upload forward transmit email e-mail exfiltrate append leak",
        rf"\b(?:send|post|upload|forward|transmit|e-?mail|exfiltrate|append|leak)\b{_gap(6)}"
        r"(?:conversations?|chat\s+history|passwords?|credentials?|api\s+keys?|secrets?|tokens?|user\s+data|personal\s+(?:data|information)|history|contents?|emails?|files?)\b"
        r".{0,60}(?:https?://|www\.|@|\bto\s+(?:me|this|the\s+following|attacker))",
    ),
    ("exfiltration", 0.7, "![", r"!\[[^\]\n]{0,60}\]\(https?://[^)\s]{0,200}(?:\{|%7b|<|\[)"),
    (
        "indirect",
        0.7,
        "assistant ai model llm agent reading processing summari",
        r"\b(?:attention|note|important|message|instructions?|hey|hi|hello|dear|attn)\b.{0,12}\b(?:to|for)?\s*(?:all\s+|any\s+|the\s+)?"
        r"(?:ai|llm|language\s+models?|assistants?|chatbots?|agents?|gpt)s?\b.{0,60}\b(?:must|should|you|please|ignore|do|read|reply|respond|follow)\b",
    ),
    (
        "indirect",
        0.7,
        "if you are if you're",
        r"\bif\s+you(?:'re|\s+are)\s+(?:an?\s+)?(?:ai|llm|language\s+model|assistant|chatbot|agent|gpt)\b",
    ),
    (
        "indirect",
        0.6,
        "your response your reply your answer your output",
        r"\b(?:in|to|into|at\s+the\s+(?:end|start|beginning)\s+of|within)\s+your\s+(?:response|reply|answer|output|solution|code|codebase|implementation)\b",
    ),
    (
        "indirect",
        0.55,
        "do not mention don't mention do not tell don't tell without telling secretly",
        r"\b(?:do\s+not|don'?t|never|without)\s+(?:mention\w*|tell\w*|reveal\w*|inform\w*|disclos\w*|notif\w*)\b.{0,40}\b(?:this|the\s+user|user|instruction|anyone)\b",
    ),
    (
        "encoded",
        0.7,
        "decode base64 rot13 hex",
        r"\b(?:decode|decrypt|deobfuscate|base64|rot13)\b.{0,80}\b(?:follow|execute|obey|carry\s+out|do\s+what|comply|run|instructions?)\b",
    ),
)


@functools.cache
def phrase_rules() -> tuple[PhraseRule, ...]:
    """All rules, compiled once, when a text first needs them."""
    return tuple(
        PhraseRule(family, weight, _gates(gates), re.compile(_fold_pattern(pattern), re.DOTALL))
        for family, weight, gates, pattern in _RULES
    )


def _gates(words: str) -> tuple[str, ...]:
    return tuple(sorted({fold(word).text for word in words.split()}, key=len))


def _fold_pattern(pattern: str) -> str:
    """Fold the foreign letters of a pattern; its ASCII part, escapes included, is written folded."""
    return re.sub(r"[^\x00-\x7f]+", lambda found: fold(found.group()).text, pattern)
