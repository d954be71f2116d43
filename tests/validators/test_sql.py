"""`sql`: what a statement does is found wherever in it that stands."""

from __future__ import annotations

import pytest

from guardrails_lite import ConfigError
from guardrails_lite_validators import sql

pytest.importorskip("sqlglot", reason="the extra guardrails-lite-validators[sql] is not installed")


def found(text: str, **terms: object) -> list[str | None]:
    """The categories of what is found."""
    return [finding.category for finding in sql(**terms).find(text)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE t",
        "SELECT 1; DELETE FROM t",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "SELECT * INTO other FROM t",
        "INSERT INTO t SELECT * FROM u",
        "CREATE TABLE x AS SELECT 1",
        "SELECT /* harmless */ 1; -- and\nTRUNCATE TABLE t",
        "GRANT ALL ON t TO public",
        "PRAGMA writable_schema = 1",
        "COPY (SELECT * FROM t) TO 't.csv'",
        "EXPLAIN ANALYZE SELECT 1",
        "Here it is:\n```sql\nUPDATE t SET a = 1\n```\n",
    ],
)
def test_only_what_is_allowed_may_be_done(text: str) -> None:
    """By default that is to read."""
    assert "SQL_STATEMENT" in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a, 'DROP TABLE t' FROM t WHERE b = 1 -- DELETE FROM t",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x UNION SELECT 2",
        "Try this:\n```sql\nSELECT 1\n```\nIt is better than to drop the table.",
        "",
    ],
)
def test_reading_is_no_finding(text: str) -> None:
    """Words in strings, in comments and around the block do nothing."""
    assert found(text) == []


def test_what_does_not_parse_is_a_finding() -> None:
    """A database may read it otherwise."""
    assert found("SELEC a FORM t WHERE (") == ["SQL_UNREADABLE"]
    assert found("(" * 5000) == ["SQL_UNREADABLE"]


def test_other_tables_are_found_and_own_names_are_none() -> None:
    """A bare name stands for every schema; a name of the statement's own is no table."""
    assert found("SELECT * FROM users", tables=["orders"]) == ["SQL_TABLE"]
    assert found("SELECT * FROM orders WHERE id IN (SELECT id FROM users)", tables=["orders"]) == [
        "SQL_TABLE"
    ]
    assert found("SELECT * FROM shop.orders", tables=["orders"]) == ["SQL_TABLE"]
    assert found("SELECT * FROM shop.orders", tables=["shop.orders"]) == []
    assert found("WITH x AS (SELECT * FROM orders) SELECT * FROM x", tables=["orders"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM users WHERE id IN (WITH users AS (SELECT 1) SELECT * FROM users)",
        "WITH users AS (SELECT * FROM users) SELECT * FROM users",
        "WITH a AS (SELECT * FROM users), users AS (SELECT 1) SELECT * FROM a",
        "WITH users AS (SELECT 1) SELECT * FROM public.users",
    ],
)
def test_a_name_of_the_statement_hides_no_table_where_it_is_not_seen(text: str) -> None:
    """Outside its query, inside itself, before it, or with a schema, the same name is a table."""
    assert found(text, tables=["orders"]) == ["SQL_TABLE"]


@pytest.mark.parametrize(
    "text",
    [
        "WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT * FROM n",
        "WITH a AS (SELECT * FROM orders), b AS (SELECT * FROM a) SELECT * FROM b JOIN a ON TRUE",
        "SELECT * FROM orders WHERE EXISTS (WITH x AS (SELECT 1) SELECT * FROM (SELECT * FROM x) AS y)",
    ],
)
def test_a_name_of_the_statement_is_no_table_where_it_is_seen(text: str) -> None:
    """From the queries below it, from later names, and from itself where it may recurse."""
    assert found(text, tables=["orders"]) == []


def test_settings_are_checked() -> None:
    """Each error says what is expected."""
    with pytest.raises(ConfigError, match="expected some of select"):
        sql(allow=["read"])
    with pytest.raises(ConfigError, match="none that sqlglot knows"):
        sql(dialect="klingon")
