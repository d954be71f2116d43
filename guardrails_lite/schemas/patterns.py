"""Regular expressions of JSON Schema, in time linear in the text.

JSON Schema means ECMA-262's dialect. A pattern is put into the dialect of the engine inside pydantic-core,
which never backtracks: 26 characters against ``^(a+)+$`` take microseconds instead of seconds. That engine
has no look-around and no back-references; a pattern that needs them is refused when the schema is compiled,
because no bound on its time can be given.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

Pattern = Callable[[str], bool]
"""Whether a pattern is found anywhere in a text."""

_ESCAPE = re.compile(r"\\(c[A-Za-z]|u\{[0-9A-Fa-f]+\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_SPACE = r"\t\n\v\f\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}"
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_KEPT = frozenset("tnrfvbBpP.^$*+?()[]{}|\\/-")
_PROPERTY = re.compile(r"[pP]\{([^}]*)\}")


class UnsupportedPattern(ValueError):
    """A pattern that cannot be run in bounded time, or is none."""


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Pattern:
    """Compile one pattern.

    Raises:
        UnsupportedPattern: it needs look-around or a back-reference, is too large, or is not a regular
            expression.
    """
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    translated = translate(pattern)
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=translated, regex_engine="rust-regex"))
    except SchemaError as error:
        if "size limit" in str(error):
            raise UnsupportedPattern("it is too large once its repetitions are written out") from error
        raise UnsupportedPattern("it is not a regular expression without look-around") from error
    found: Pattern = validator.isinstance_python
    return found


def translate(pattern: str) -> str:
    """An ECMA-262 pattern as the linear engine writes it.

    Raises:
        UnsupportedPattern: it has a part that the engine has no word for.
    """
    out: list[str] = []
    at = 0
    in_class = False
    while at < len(pattern):
        here = pattern[at]
        if here == "\\":
            match = _ESCAPE.match(pattern, at)
            if match is None:
                raise UnsupportedPattern("it ends in a lone backslash")
            piece, at = _escape(pattern, match, in_class=in_class)
            out.append(piece)
            continue
        if in_class:
            if here == "]":
                in_class = False
                out.append("]")
            else:
                # Inside a class these mean themselves in ECMA-262 and sets to the engine.
                out.append("\\" + here if here in "[&~" else here)
            at += 1
            continue
        if here == "[":
            in_class = True
            if pattern.startswith("[^]", at):
                out.append(r"[\s\S]")
                in_class = False
                at += 3
                continue
            if pattern.startswith("[]", at):
                out.append(r"[^\s\S]")
                in_class = False
                at += 2
                continue
            out.append("[")
            at += 1
            if pattern.startswith("^", at):
                out.append("^")
                at += 1
            continue
        if here == "(" and pattern.startswith(("(?=", "(?!", "(?<=", "(?<!"), at):
            raise UnsupportedPattern("it uses look-around, whose time cannot be bounded")
        if here == ".":
            out.append(r"[^\n\r\u{2028}\u{2029}]")
        elif here == "(" and pattern.startswith("(?<", at):
            out.append("(?P<")
            at += 2
        else:
            out.append(here)
        at += 1
    if in_class:
        raise UnsupportedPattern("it has a class that is not closed")
    return "".join(out)


def _escape(pattern: str, match: re.Match[str], *, in_class: bool) -> tuple[str, int]:
    name = match.group(1)
    end = match.end()
    lower = name.lower()
    if name in ("p", "P"):
        named = _PROPERTY.match(pattern, match.start() + 1)
        if named is None:
            raise UnsupportedPattern("\\p needs a property in braces")
        value = named.group(1)
        key, _, assigned = value.partition("=")
        if assigned and key not in ("Script", "sc", "Script_Extensions", "scx", "General_Category", "gc"):
            raise UnsupportedPattern("\\p names an unknown property")
        return f"\\{name}{{{value}}}", named.end()
    if lower in _CLASSES and len(name) == 1:
        members = _CLASSES[lower]
        if name.islower():
            return (members if in_class else f"[{members}]"), end
        return f"[^{members}]", end
    if len(name) > 1:
        code = ord(name[1].upper()) - 64 if name[0] == "c" else int(name[1:].strip("{}"), 16)
        if 0xD800 <= code < 0xDC00 and (low := re.match(r"\\u(d[c-f][0-9a-f]{2})", pattern[end:], re.I)):
            code = 0x10000 + ((code - 0xD800) << 10) + (int(low.group(1), 16) - 0xDC00)
            end += 6
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise UnsupportedPattern("it names half of a surrogate pair")
        return f"\\u{{{code:x}}}", end
    if name == "b" and not in_class:
        return r"(?-u:\b)", end
    if name == "B" and not in_class:
        raise UnsupportedPattern("it uses \\B, which the bounded engine has for bytes only")
    if name == "b":
        return r"\u{8}", end
    if name == "0":
        return r"\u{0}", end
    if name in _KEPT:
        return "\\" + name, end
    if name == "k" or name.isdigit():
        raise UnsupportedPattern("it uses a back-reference, whose time cannot be bounded")
    if name.isalnum():
        raise UnsupportedPattern("it has an escape that ECMA-262 does not define")
    return re.escape(name), end
