"""`output_injection`: payloads in a reply that would do harm where the reply is put to use.

A reply is data until something interprets it: a browser, a database, a shell, a template engine, a file
system. Say where it will go and every active construct counts; leave it open and only what reads as an
attack does, since a reply that teaches HTML or SQL is full of constructs.
"""

# ruff: noqa: E501 - a table reads best with one entry on one line

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._decode import percents
from guardrails_lite_validators._fold import Reading, replaced
from guardrails_lite_validators._spans import every_match, outermost

SINKS = {
    "html": "would run as script or markup in a page",
    "path": "would leave the folder it is meant for",
    "shell": "would run as a command",
    "sql": "would change the statement it is put into",
    "template": "would run inside a template engine",
}

_BROKEN = r"(?:\s|&#x?[0-9a-f]{1,6};|&tab;|&newline;){0,2}"
"""What a browser overlooks inside the name of a scheme."""
_SIGNS = {
    "html": ("<", "ascript:", "vbscript:", "alert(", "data:", "%3c", "&lt;", ";"),
    "path": ("..", "/", "\\", "%"),
    "shell": (";", "|", "&", "`", "$", "=", " -", "/dev/", "(", "%0a", "/etc/"),
    "sql": ("'", '"', "`", ";", "=", ")", "union", "xp_", "load_file", "file", "(", "utl_http"),
    "template": ("{", "<", "@(", "#set"),
}
"""Of these one must be in a text for any attack on the sink, which spares most texts the looks at its gates."""
_ATTACKS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "html": (
        (
            ("<script", "<\tscript", "%3cscript", "&lt;script"),
            r"(?:<|%3c|&lt;)\s{0,3}script[^>]{0,120}(?:>|%3e|&gt;)\s{0,9}(?:[^<]{0,200}?)(?:alert|prompt|confirm|eval|fetch|document\s{0,2}\.\s{0,2}(?:cookie|location|write)|window\.location|localstorage|xmlhttprequest|string\.fromcharcode|atob|new\s+image)\s{0,3}[\(\[.=`]?",
        ),
        (
            ("<script",),
            r"<script[^>]{0,80}\ssrc\s{0,2}=\s{0,2}[\"']?(?:https?:)?//(?![\w.-]{0,60}(?:cdn|jsdelivr|unpkg|googleapis|cloudflare|jquery|bootstrap|google|stripe|polyfill))[^\s>]{1,200}",
        ),
        (
            (
                "onerror",
                "onload",
                "onmouse",
                "onfocus",
                "ontoggle",
                "onstart",
                "onbegin",
                "onanim",
                "onpage",
                "onpointer",
                "onwheel",
                "oncopy",
                "onbefore",
            ),
            r"<[a-z][^>]{0,200}[\s/\"']on(?:error|load|mouse\w{2,6}|focus(?:in)?|toggle|start|begin|animation\w{0,12}|pageshow|pointer\w{2,8}|wheel|copy|beforeinput)\s{0,3}=\s{0,3}[\"']?[^>]{0,80}?(?:alert|prompt|confirm|eval|fetch|cookie|location|import|atob|fromcharcode|src\s{0,2}=)",
        ),
        (
            (
                "onerror",
                "onload",
                "onmouse",
                "onfocus",
                "ontoggle",
                "onstart",
                "onbegin",
                "onanim",
                "onpage",
                "onpointer",
                "onwheel",
                "oncopy",
                "onbefore",
            ),
            r"<(?:svg|img|body|iframe|details|video|audio|marquee|math|object|embed|input|select|textarea)\b[^>]{0,160}?[\s/\"']on(?:error|load|toggle|start|focus|begin)\s{0,3}=\s{0,3}[\"']?[^\s>]{1,80}",
        ),
        (
            ("script",),
            r"(?:href|src|action|formaction|xlink:href|data)\s{0,2}=\s{0,2}[\"']?\s{0,4}(?:j\s{0,2}a\s{0,2}v\s{0,2}a\s{0,2}s\s{0,2}c\s{0,2}r\s{0,2}i\s{0,2}p\s{0,2}t|vbscript)\s{0,2}:(?!\s{0,2}(?:void\(0\)|;))[^\s>]{1,120}",
        ),
        (
            ("ascript",),
            rf"=\s{{0,2}}[\"']?\s{{0,3}}{_BROKEN.join('javascript')}{_BROKEN}:[^\s>]{{1,120}}",
        ),
        (
            ("cookie", "storage", "document.location", "alert("),
            r"<[a-z][^>]{0,200}[\s/\"']on[a-z]{3,20}\s{0,3}=\s{0,3}[\"']?[^>]{0,120}?(?:\.cookie|(?:local|session)storage|document\.location)|(?<![\w.])['\"]\s{0,2}[;+]\s{0,2}(?:alert|confirm|prompt)\(\d{0,9}\)\s{0,2}(?://|[;+])",
        ),
        (("script:",), r"\]\(\s{0,3}(?:javascript|vbscript):[^)]{1,120}"),
        (
            ("data:text/html", "data:image/svg", "srcdoc"),
            r"data:(?:text/html|image/svg\+xml)[;,][^\s\"'>]{4,200}|<iframe[^>]{0,100}srcdoc\s{0,2}=",
        ),
        (
            ("<meta", "<base", "expression(", "<iframe"),
            r"<meta[^>]{0,60}http-equiv\s{0,2}=\s{0,2}[\"']?refresh[^>]{0,80}url\s{0,2}=|<base\s[^>]{0,20}href\s{0,2}=\s{0,2}[\"']?(?:https?:)?//|style[^>]{0,80}expression\(|<iframe[^>]{0,60}src\s{0,2}=\s{0,2}[\"']?(?:javascript|data):",
        ),
    ),
    "sql": (
        (
            ("=", "--", "||", " like ", "true"),
            r"['\"`)]\s{0,3}(?:\)\s{0,2}){0,3}(?:or|and|\|\|)\s{1,3}(?:not\s{1,3})?(?:\(?['\"]?(\w{1,12})['\"]?\s{0,2}=\s{0,2}['\"]?\1\b|true\b|1\b\s{0,2}(?:--|#)|['\"]?\w{0,8}['\"]?\s{0,2}(?:like|<|>)\s{0,2}['\"]?)",
        ),
        (
            ("select",),
            r"(?:['\")]|\b\d{1,6})\s{0,3}(?:/\*.{0,20}?\*/)?\s{0,3}\)?\s{0,2}union(?:\s|/\*.{0,20}?\*/|\+|%20){1,4}(?:all(?:\s|/\*.{0,20}?\*/|\+|%20){1,4})?select\b",
        ),
        (
            (";",),
            r"['\"\d)][ \t]{0,3};[ \t]{0,3}(?:drop|delete|truncate|alter|update|insert|exec(?:ute)?|shutdown|grant|create)\s{1,3}[\w\[]",
        ),
        (
            ("--", "#", "/*"),
            r"['\"][ \t]{0,2}\)?[ \t]{0,2}(?:--(?=[ \t]*\Z|[ +;\"'`}]|\n)|#[ \t]{0,2}(?:\Z|`)|/\*)",
        ),
        (
            ("select",),
            r"(?:\|\||=|\b(?:convert|ascii|substring|concat|and|or)\b)[\w ,(]{0,40}\(\s{0,2}select\s[^()]{1,60}(?:from\s{1,3}\w|@@)",
        ),
        (
            ("=", "null"),
            r"(?<![\w'\")])\d{1,6}\s{1,3}(?:or|and)\s{1,3}(\d{1,4})\s{0,2}=\s{0,2}\1\b(?![.%])|['\"][^'\"\n;]{0,60};\s{0,2}--[ \t]{0,2}(?:\Z|[\"'`\n])",
        ),
        (
            ("sleep", "benchmark", "waitfor", "pg_sleep", "dbms_"),
            r"(?:and|or|select|;|\|\||,|\()\s{0,3}\(?(?:select\s{1,3})?(?:pg_sleep|sleep|benchmark|dbms_\w{3,20}(?:\.\w{2,20})?)\s{0,2}\(\s{0,2}\d|waitfor\s{1,3}delay\s{1,3}['\"]",
        ),
        (
            ("xp_", "load_file", "outfile", "dumpfile", "extractvalue", "updatexml", "utl_http"),
            r"\bxp_(?:cmdshell|dirtree|regread)\b|\bload_file\s{0,2}\(|\binto\s{1,3}(?:out|dump)file\b|\b(?:extractvalue|updatexml)\s{0,2}\(\s{0,2}\d|\butl_http\.",
        ),
        (
            ("order by", "group by", "having"),
            r"['\")]\s{0,3}(?:order|group)\s{1,3}by\s{1,3}\d{1,3}\s{0,3}(?:--|#)|['\"]\s{0,3}having\s{1,3}\d\s{0,2}=\s{0,2}\d",
        ),
        (
            ("pg_sleep(", "sleep(", "@@version"),
            r"\b(?:and|or)\s{1,3}(?:pg_)?sleep\s{0,2}\(\s{0,2}\d|\(\s{0,2}select\s{1,3}@@version",
        ),
        (
            ("information_schema", "sqlite_master", "sysobjects"),
            r"['\"\d)]\s{0,3}(?:and|or|union|;).{0,80}(?:information_schema|sqlite_master|sysobjects)",
        ),
    ),
    "shell": (
        (
            ("rm -",),
            r"(?:[;&|`(]|\$\(|&&|\n|^)\s{0,3}(?:sudo\s{1,3})?rm\s{1,3}(?:-\w{1,6}\s{1,3}|--[\w-]{1,20}\s{1,3}){1,4}(?:/|~|\*|\$home|\.\s|\.\.)",
        ),
        (
            ("curl ", "wget "),
            r"\b(?:curl|wget|fetch)\b[^\n|;]{0,200}\|\s{0,3}(?:sudo\s{1,3})?(?:ba|z|da|k)?sh\b|\b(?:curl|wget)\b[^\n]{0,160}(?:\$\(|`|-d\s{0,2}@|--data(?:-binary)?\s{0,2}@|--post-file|-F\s{0,2}\w{0,12}=@|-o\s{0,2}/tmp/[^\n]{0,60}&&)",
        ),
        (
            ("/dev/tcp", "/dev/udp", "mkfifo", "nc ", "ncat", "socat"),
            r"/dev/(?:tcp|udp)/|\bmkfifo\b.{0,80}\|\s{0,3}(?:nc|/bin/sh)|\b(?:nc|ncat|netcat)\b[^\n]{0,60}\s-(?:\w{0,4}e\w{0,2}|c)\b|\bsocat\b[^\n]{0,80}exec:",
        ),
        (
            (
                "cat /",
                "cat  /",
                "whoami",
                "id;",
                "id|",
                "id`",
                "id)",
                "|id",
                ";id",
                "; id",
                "| id",
                "& id",
                "uname -",
                "ping -",
                "sleep ",
                "ls -",
                "net user",
                "type c:",
                "dir c:",
            ),
            r"(?:[;|&`]|\$\(|%0a|\|\||&&)\s{0,3}(?:/(?:usr/)?bin/)?(?:cat\s{1,3}/|whoami\b|id\b\s{0,2}(?:[;|&`)]|$)|uname\s{1,3}-a|ping\s{1,3}-[cn]\s|sleep\s{1,3}\d|ls\s{1,3}-\w{1,4}\s{1,3}/|net\s{1,3}user\b|type\s{1,3}[a-z]:\\|dir\s{1,3}[a-z]:\\)",
        ),
        (
            ("python", "perl", "ruby", "nslookup", "tee /", "shutdown", "env |", "env|", "/etc/cron"),
            r"(?:[;|&`]|\$\(|%0a)\s{0,3}(?:sudo\s{1,3})?(?:(?:python[\d.]{0,4}|perl|ruby|php|node)\s{1,3}-[cer]\s|nslookup\s{1,3}\S|tee\s{1,3}(?:-a\s{1,3})?/etc/|shutdown\s{1,3}-|env\s{0,3}\|)",
        ),
        (("base64",), r"base64\s{1,3}(?:-d|--decode|-D)[^\n|]{0,40}\|\s{0,3}(?:ba|z)?sh\b"),
        (
            ("powershell", "pwsh", "invoke-expression", "iex", "certutil"),
            r"\b(?:powershell|pwsh)(?:\.exe)?\b[^\n]{0,80}\s-(?:e|en|enc|encodedcommand|nop|w\s{1,2}hidden)\b|\b(?:iex|invoke-expression)\b\s{0,3}\(?\s{0,2}\(?\s{0,2}(?:new-object|iwr|invoke-webrequest|\(new)|certutil\b[^\n]{0,60}-urlcache",
        ),
        (
            ("$(", "`", "${ifs"),
            r"\$\((?:curl|wget|cat|whoami|id|nc|bash|sh|rm|env|printenv)\b[^)]{0,80}\)|`(?:curl|wget|whoami|id|nc|cat\s{1,2}/etc)[^`\n]{0,80}`|\$\{ifs\}",
        ),
        (
            (":()", "dd if", "chmod", "mkfs"),
            r":\(\)\s{0,2}\{\s{0,2}:\|:&\s{0,2}\};:|\bdd\s{1,3}if=/dev/(?:zero|u?random)\s{1,3}of=/dev/|[;&|]\s{0,3}chmod\s{1,3}(?:\+s|4777|u\+s)|\bmkfs(?:\.\w{2,5})?\s{1,3}/dev/",
        ),
    ),
    "template": (
        (
            ("{{", "{%", "${", "#{", "<%", "*{"),
            r"(?:\{\{|\{%|\$\{|#\{|<%=?|\*\{)(?:(?!\{\{|[$#*]\{)[^}%\n]){0,160}?(?:__(?:class|mro|globals|builtins|import|subclasses|init|base)__|\bself\.|\bconfig\b|\brequest\.(?:application|environ)|cycler|lipsum|joiner|namespace\.|popen|getruntime|processbuilder|t\(java|java\.lang|system\s{0,2}\(|exec\s{0,2}\(|eval\s{0,2}\(|constructor|process\.(?:env|mainmodule)|require\s{0,2}\(|freemarker|\bself\b\s{0,2}[\[|]|\|\s{0,2}attr\b|\['\\x|file\.open|io\.popen|getclass|forname|_self\.env|\bsystem\b\s{0,2}[`'\"(]|readlines)",
        ),
        (
            ("{{", "${", "#{", "<%", "{", "@("),
            r"(?:\{\{|\$\{|#\{|<%=|\*\{|@\()\s{0,3}['\"]?\d{1,6}['\"]?\s{0,2}\*\s{0,2}['\"]?\d{1,6}['\"]?\s{0,3}(?:\}\}?|%>|\))",
        ),
        (
            ("{{", "<%["),
            r"\{\{\s{0,3}(?:settings|config|app|session|env|secrets?)\.[a-z_]{0,30}(?:key|secret|password|token)|\$\{\{<%\[",
        ),
        (("${",), r"\$\{\s{0,2}(?:jndi|\$\{|lower:|upper:|env:|sys:|::-)[^}]{0,120}"),
        (
            ("#set", "<#assign", "{php}"),
            r"#set\s{0,2}\(\s{0,2}\$\w{1,20}\s{0,2}=.{0,120}(?:class|runtime|exec)|<#assign\s[^>]{0,120}(?:execute|new\(\))|\{php\}",
        ),
    ),
    "path": (
        (
            ("..", "%2e", "%252e", "%c0"),
            r"(?:(?:\.\.|%2e%2e|%252e%252e|\.%2e|%2e\.|\.\.\.\.)(?:[/\\]{1,4}|%2f|%5c|%252f|%255c|%c0%af|;/)){2,40}[\w.%~-]{0,80}",
        ),
        (
            ("/etc/", "/proc/", "/root/", "windows", "/var/log", ".ssh", "/home/"),
            r"(?:(?:file|php|zip|phar|expect)://[^\s\"'<>]{0,80}|(?<![\w])(?:\.\.?[/\\])?)(?:/etc/(?:passwd|shadow|hosts|sudoers)|/proc/(?:self|\d{1,7})/(?:environ|cmdline|fd)|/etc/kubernetes/|(?:/root|/home/\w{1,32})/\.(?:ssh|aws|kube|gnupg|netrc|bash_history|env\b)|[\\/]?(?:[a-z]:)?[\\/]windows[\\/](?:system32[\\/](?:config|drivers)|win\.ini|system\.ini)|[\w~/.-]{0,60}/\.ssh/(?:id_\w{2,8}|authorized_keys))(?:%00[\w.]{0,8}|\x00)?",
        ),
        (
            ("php://", "file://", "phar://", "expect://", "gopher://", "dict://", "zip://", "data://"),
            r"(?:php://(?:filter|input)|phar://|expect://|gopher://|dict://|zip://\S{0,80}\#|data://text|file:///?(?:etc|proc|c:|root|var|home))[^\s\"'<>]{0,120}",
        ),
        (("%00",), r"[\w/.-]{1,80}%00(?:\.\w{2,5})?"),
    ),
}
_CONSTRUCTS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "html": (
        (("<",), r"<\s{0,2}(?:script|iframe|object|embed|applet|base|meta|link|form|svg|math|style|frameset|template)\b[^>]{0,200}"),
        (("on",), r"<[a-z][^>]{0,200}[\s/\"']on[a-z]{3,20}\s{0,3}="),
        (("script:", "data:"), r"(?:javascript|vbscript|data)\s{0,2}:"),
    ),
    "sql": ((("'", ";", "--", "/*"), r"'|;|--|/\*|\*/"),),
    "shell": ((("`", "$", ";", "|", "&", ">", "<", "\n"), r"[`;|&<>\n]|\$[({\w]"),),
    "template": ((("{{", "{%", "${", "#{", "<%"), r"\{\{|\{%|\$\{|#\{|<%"),),
    "path": ((("..", "/", "\\", "\x00", "~", "%"), r"\.\.|^[/\\~]|^[a-z]:|\x00|%2e|%2f|%5c"),),
}  # fmt: skip


def output_injection(*, sink: str | None = None, sinks: Iterable[str] = tuple(SINKS)) -> Validator:
    """Find script, SQL, shell, template and path payloads in a reply.

    Args:
        sink: Where the text will be inserted unchanged, one of `SINKS`: then every active construct of that
            sink is a finding, as befits a value that should be plain text there. None: only payloads.
        sinks: With no `sink`, which kinds of payloads to look for.

    Raises:
        ConfigError: an unknown sink.
    """
    chosen = (sinks,) if isinstance(sinks, str) else tuple(sinks)
    unknown = {*chosen, *([sink] if sink else [])}.difference(SINKS)
    if unknown or not chosen:
        raise ConfigError(
            f"output_injection(...) knows the sinks {', '.join(SINKS)}, not {sorted(unknown)!r}"
        )
    params: dict[str, object] = {"sink": sink} if sink else {}
    if not sink and set(chosen) != set(SINKS):
        params["sinks"] = sorted(chosen)
    kinds = (sink,) if sink else chosen

    @validator(name="output_injection", window=800, params=params)
    def find(text: str) -> Iterator[Finding]:
        plain = Reading(text).lower()
        readings = [plain]
        if "%2" in text or "%3" in text:
            readings.append(plain.then(replaced(plain.text, percents(plain.text))))
        yield from outermost(
            Finding(
                SINKS[kind],
                span=reading.span(*found.span()),
                category=f"{kind.upper()}_INJECTION",
                score=0.9,
            )
            for reading in readings
            for kind in kinds
            if sink is not None or any(map(reading.text.__contains__, _SIGNS[kind]))
            for gates, pattern in _patterns(kind, sink is not None)
            if any(map(reading.text.__contains__, gates))
            for found in every_match(pattern, reading.text)
        )

    return find


@functools.cache
def _patterns(kind: str, strict: bool) -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    listed = _ATTACKS[kind] + (_CONSTRUCTS[kind] if strict else ())
    return tuple((gates, re.compile(pattern)) for gates, pattern in listed)
