"""The index's SQL as PostgreSQL reads it.

The questions are written once. What PostgreSQL spells otherwise is turned round here, word by word: ``?`` and
``:name`` for values, two columns whose names it keeps for itself, the ``+`` that SQLite's planner is told
something by, and the types of columns. Text sorts by its bytes, as in SQLite.
"""

from __future__ import annotations

import re
from typing import Final

from guardrails_lite.audit.index._schema import TABLES
from guardrails_lite.audit.index._sums import BUCKET_IN_SQL

_WORDS: Final = re.compile(
    r"(?P<text>'(?:[^']|'')*')"
    r'|(?P<same>"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|::)'
    r"|(?P<mark>\?)"
    r"|:(?P<name>[a-z_]\w*)"
    r"|(?P<percent>%)"
    r"|(?P<left>\+(?=c\.)|(?<=^BEGIN) IMMEDIATE$)"
    r"|(?<![.\w])(?P<column>user\b|offset\b(?!\s+[\d?:(]))",
    re.DOTALL,
)
_TYPES: Final = {
    "TEXT": 'TEXT COLLATE "C"',
    "INTEGER": "BIGINT",
    "REAL": "DOUBLE PRECISION",
    " WITHOUT ROWID": "",
}


def translated(sql: str) -> str:
    """*sql* with psycopg's marks for values, and with names that PostgreSQL accepts."""
    return _WORDS.sub(_word, sql)


def _word(found: re.Match[str]) -> str:
    word = found[0]
    match found.lastgroup:
        case "text":
            return word.replace("%", "%%")
        case "mark":
            return "%s"
        case "name":
            return f"%({word[1:]})s"
        case "percent":
            return "%%"
        case "left":
            return ""
        case "column":
            return f'"{word}"'
    return word.replace("%", "%%")


def tables() -> list[str]:
    """The statements that make the tables of the index in the current schema."""
    made = re.sub("|".join(_TYPES), lambda found: _TYPES[found[0]], TABLES)
    return [each for each in made.split(";\n") if each.strip()]


FUNCTION: Final = f"""
CREATE FUNCTION bucket_of(us DOUBLE PRECISION) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS
'SELECT {BUCKET_IN_SQL}'
"""
"""What a bucket is, as `bucket` says it."""
