"""`sql`: statements that do not parse, or that do more than is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from guardrails_lite import ConfigError, Finding, MissingPackage, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words

_FENCED = re.compile(
    r"^ {0,3}```[ \t]*(?:sql|postgres\w*|mysql|sqlite|tsql|bigquery)\b[^\n]*\n(.*?)^ {0,3}```",
    re.M | re.S | re.I,
)
_KINDS = ("select", "insert", "update", "delete", "merge", "create", "alter", "drop", "truncate", "other")


def sql(
    *, allow: Iterable[str] = ("select",), tables: Iterable[str] | None = None, dialect: str | None = None
) -> Validator:
    """Find SQL that does not parse, that does what is not allowed, or that reads other tables.

    What is checked are the fenced SQL blocks of a text or, where it has none, all of it as one script. Every
    part of a statement counts: a deletion inside a common table expression is one.

    Args:
        allow: What statements may do: of ``"select"``, ``"insert"``, ``"update"``, ``"delete"``, ``"merge"``,
            ``"create"``, ``"alter"``, ``"drop"``, ``"truncate"``, ``"other"``.
        tables: The tables that they may name, as ``"orders"`` or ``"shop.orders"``; default: any.
        dialect: How to read it, such as ``"postgres"`` or ``"sqlite"``; default: sqlglot's own.

    Raises:
        ConfigError: an unknown statement or dialect, or sqlglot is not installed (extra ``sql``).
    """
    kinds = frozenset((allow,) if isinstance(allow, str) else allow)
    if not kinds <= frozenset(_KINDS):
        raise ConfigError(f"allow={sorted(kinds)!r} of sql(...): expected some of {', '.join(_KINDS)}")
    named = (
        None
        if tables is None
        else frozenset(name.lower() for name in tuple_of_words("sql", "tables", tables))
    )
    try:
        import sqlglot
        from sqlglot.errors import SqlglotError
    except ImportError as error:
        raise MissingPackage.needed_by(
            "sql(...)", "sqlglot", install="guardrails-lite-validators[sql]"
        ) from error
    try:
        sqlglot.Dialect.get_or_raise(dialect)
    except ValueError:
        raise ConfigError(f"dialect={dialect!r} of sql(...) is none that sqlglot knows") from None
    given: dict[str, object] = {
        "allow": sorted(kinds),
        "tables": None if named is None else sorted(named),
        "dialect": dialect,
    }

    @validator(
        name="sql",
        params={key: value for key, value in given.items() if value is not None and value != ["select"]},
        version=version("sqlglot"),
        private=None if named is None else {"tables": sorted(named)},
    )
    def find(text: str) -> Iterator[Finding]:
        for start, end in _scripts(text):
            try:
                parsed = sqlglot.parse(text[start:end], read=dialect)
            except (SqlglotError, RecursionError):
                yield Finding("is no SQL that can be read", span=(start, end), category="SQL_UNREADABLE")
                continue
            for statement in parsed:
                if statement is not None:
                    yield from _faults(statement, kinds, named, (start, end))

    return find


def _scripts(text: str) -> list[tuple[int, int]]:
    fenced = [found.span(1) for found in _FENCED.finditer(text)]
    return [span for span in fenced or [(0, len(text))] if text[slice(*span)].strip()]


def _faults(
    statement: Any, kinds: frozenset[str], tables: frozenset[str] | None, span: tuple[int, int]
) -> Iterator[Finding]:
    from sqlglot import exp

    # the statement itself counts whatever it is: COPY (SELECT ...) TO a file is more than a SELECT
    done = {_kind(statement), *(_kind(node) for node in statement.walk() if isinstance(node, _doing()))}
    if not done <= kinds:
        yield Finding("does what is not allowed in SQL", span=span, category="SQL_STATEMENT")
    if tables is None:
        return
    for table in statement.find_all(exp.Table):
        whole = ".".join(part for part in (table.db, table.name) if part).lower()
        if whole not in tables and (table.db or not _is_own(table)):
            yield Finding("names a table that is not allowed", span=span, category="SQL_TABLE")
            return


def _is_own(table: Any) -> bool:
    """Whether a name is that of a common table expression which can be seen from where it stands."""
    from sqlglot import exp

    name, node = table.name.lower(), table
    while (parent := node.parent) is not None:
        if isinstance(
            parent, exp.With
        ):  # inside one of them: those before it, and all where they may recurse
            seen = parent.expressions
            if not parent.args.get("recursive"):
                seen = seen[: next(at for at, each in enumerate(seen) if each is node)]
            node = parent.parent
        else:
            beside = parent.args.get("with_") or parent.args.get("with")
            seen = beside.expressions if beside is not None else []
            node = parent
        if any(each.alias_or_name.lower() == name for each in seen):
            return True
    return False


def _doing() -> tuple[type, ...]:
    """The parts of a statement that do something."""
    from sqlglot import exp

    return (
        exp.Query,
        exp.Insert,
        exp.Update,
        exp.Delete,
        exp.Merge,
        exp.Create,
        exp.Alter,
        exp.Drop,
        exp.TruncateTable,
        exp.Command,
        exp.Into,
    )


def _kind(node: Any) -> str:
    from sqlglot import exp

    if isinstance(node, exp.Query) and not isinstance(node, exp.Table):
        return "select"
    if isinstance(node, exp.Into):  # SELECT ... INTO makes a table
        return "create"
    name = {exp.TruncateTable: "truncate"}.get(type(node), type(node).__name__.lower())
    return name if name in _KINDS else "other"
