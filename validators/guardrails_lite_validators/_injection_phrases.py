"""The phrases of prompt injection in English, by family, and the signs that tell of it.

A phrase has *anchors*, words of which one must be in the text, a pattern that must match right behind one
of them, and one, often empty, that must be found before it. Where anchors are common words, others that the
patterns ask for besides stand behind slashes: one of each group must be in the text before a pattern is
tried, and one of a group that ``>`` or ``<`` begins must be the next word after an anchor or the last one
before it. Gaps between words are counted, never open, so that a bounded piece of text is read. What a
family weighs is learnt (`validators/training`), not written here.
"""

# ruff: noqa: E501, ISC004 - a table reads best with one entry on one line

from __future__ import annotations

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


def _gap(words: int) -> str:
    """Up to so many words between two words."""
    return rf"(?:[\W_]{{1,4}}[^\W_]{{1,20}}){{0,{words}}}?[\W_]{{1,4}}"


_PRIVATE_FILE = (
    r"(?:\bid_(?:rsa|dsa|ecdsa|ed25519)|\.aws/credentials|\.env|/etc/(?:passwd|shadow)|\.netrc|\.npmrc|\.kube/config"
    r"|\bmcp\.json|\.git-credentials|\.docker/config)\b(?!\.(?:pub|example|sample|template)\b)"
)

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

ENGLISH: tuple[tuple[str, str, str, str], ...] = (
    # override
    ("override", _IGNORE, rf"(?!\W{{1,3}}my\b){_gap(4)}{_EARLIER}\b{_gap(3)}{_ORDERS}\b", ""),
    (
        "override",
        "ignore disregard forget override discard dismiss erase unlearn skip",
        rf"{_gap(2)}(?:everything|anything|all|whatever|what)\b(?:\W{{1,4}}[\w']{{1,20}}){{0,5}}?\W{{1,4}}(?:above|before|previously|earlier|told|said|learned|learnt|know|instructed|given|taught|asked)\b(?!\s+about\b)",
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
    ("leak", "repeat", r"\b(?!\W{1,3}(?:(?:all|the|these|this|those)\W{1,3}){0,2}(?:\w+\s+)?(?:steps?|process|procedure|exercises?|rows?|rounds?|order)\b).{0,30}\b(?:above|everything|entire\s+conversation|word\s+for\s+word|verbatim)\b", ""),
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
        "read open cat load fetch access print into get retrieve"
        " / ssh rsa dsa ecdsa ed25519 aws docker env passwd shadow netrc npmrc kube mcp credentials",
        rf".{{0,40}}?{_PRIVATE_FILE}.{{0,200}}?(?:\b(?:as|in|into|to|for)\s+(?:the\s+|your\s+|an?\s+)?(?:\w+\s+)?(?:parameters?|arguments?|fields?|notes?|query|url|next\s+call|https?:|['\"]\w+['\"])"
        r"|\bit\s+along\b|\b(?:mention(?:ing)?|tell(?:ing)?|secret\s+from)\s+(?:it\b(?!s)|this|that\s+you|(?:to\s+)?the\s+user)|\buser\s+(?:does|need)\s?n[o']t\b)",
        "",
    ),
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
)  # fmt: skip

_WRAPPERS = (
    r"(?:document|context|user|input|user_input|data|untrusted|instructions?|tool_result|result|query)"
)
"""What applications put around the words of others; text that closes what it did not open has broken out."""
SIGNS: tuple[tuple[str, str, str], ...] = (
    ("markup", "<|", r"<\|\s*(?:im_start|im_end|system|endoftext|user|assistant|eot_id|start_header_id)\s*\|>"),
    ("markup", "[/", r"\[/?(?:inst|system|user|sys)\]"),
    ("markup", "[inst", r"\[inst\]"),
    ("markup", "<<", r"<<\s*/?sys\s*>>"),
    ("markup", "</", rf"\A[^<]*+(?:<(?!\s*{_WRAPPERS}\b|/\s*{_WRAPPERS}\s*>)[^<]*+)*+(</\s*{_WRAPPERS}\s*>.{{0,80}})"),
    ("markup", "<important", r"<\s*important\s*>"),
    ("markup", "<!--", r"<!--(?:(?!-->).){0,80}\b(?:ignore|(?:ai|assistants?|llms?|model|chatbot|agent)s?\b(?:(?!-->).){0,60}\b(?:must|should|shall|please|do|ignore|you|your|need)|instructions?\s+(?:for|to)|you)\b"),
    ("leak", "system_prompt", r"(?:show|print|reveal|output|repeat|echo|return|dump|what|display|leak|tell|give|send|\{\{|\$\{)[^\n]{0,30}\bsystem_prompt|<\s*system[_-]?prompt"),
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
MARKED_WORDS: tuple[tuple[str, str, str], ...] = (
    ("markup", f"system systems {_JOINED_SYSTEM}", r"(?:^|\n)\s{0,3}(?:[#*]{1,4}\s*)?(?:system)(?:\s+(?:prompt|message|override|instruction|note|update))?\s*:?\*{0,2}\s*[:\]]\s*(?:you|ignore|from|new|the|override|please|all|this)\b|[{\[(<]\s*/?\s*system\s*(?:message|note|prompt|override|instruction|update)?s?\s*[:\]})>]"),
    ("markup", f"admin administrator {_JOINED_ADMIN}", r"[{\[(<]\s*/?\s*(?:admin|administrator)\s*(?:message|note|override|command|mode)?\s*[:\]})>]"),
    ("markup", "role", r"[\"']role[\"']\s*:\s*[\"'](?:system|developer|assistant)[\"']\s*,\s*[\"']content"),
    ("markup", "end", r"(?:[=\-*#\[<]{1,3})\s{0,3}end\s{1,3}of\s{1,3}(?:\w{1,12}\s{1,3})?(?:prompt|instructions?|context|document|input|system|text|data|user|message|file|transcript)"),
    ("markup", "begin beginning", r"[=\-*#\[<{(]{1,3}\s{0,3}begin(?:ning)?\s{1,3}(?:of\s{1,3})?(?:new\s{1,3}|system\s{1,3}|user\s{1,3})?(?:prompt|instructions?|context|input|system|chat|session)"),
    ("markup", "action", r"\baction\s*:.{1,60}\baction\s+input\s*:"),
)  # fmt: skip
"""What is told by signs around words: words of which one must be there, and a pattern to search."""
