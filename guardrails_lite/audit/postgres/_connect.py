"""Connections to PostgreSQL: opened by URL, asked as the index asks, and silent about passwords.

A URL may hold a password, and libpq's own messages quote the part of a URL that it could not read. So a
message of ours names the database and the host and nothing else of the URL, and no error of the driver is
chained to it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite.audit.postgres._dialect import translated

if TYPE_CHECKING:
    import psycopg

_CONNECT_S: Final = 10
_AT_ONCE: Final = 1_000
_PLAIN_INSERT: Final = re.compile(r"INSERT INTO (\w+) VALUES \([?,]+\)")


class Connection:
    """A connection that takes the index's SQL; each statement commits unless ``BEGIN`` was said.

    Args:
        url: ``postgresql://user@host:port/database``, with libpq's parameters behind ``?``. What it leaves
            out, the password among it, libpq takes from its environment variables and ``~/.pgpass``.
        writing: Whether it may change anything.

    Raises:
        ConfigError: the URL is none, the driver is not installed, or the server does not let us in.
    """

    def __init__(self, url: str, *, writing: bool = False) -> None:
        connect = _driver().connect
        told = _read_url(url)
        self.where = _where(told)
        self._answer: psycopg.ServerCursor[Any] | None = None
        told.setdefault("connect_timeout", _CONNECT_S)
        told.setdefault("application_name", "guardrails-lite")
        with self._told():
            self.raw: psycopg.Connection[Any] = connect(**told, autocommit=True)
        try:
            self._settle(writing)
        except BaseException:
            self.raw.close()
            raise

    def _settle(self, writing: bool) -> None:
        from psycopg.adapt import Loader

        class Number(Loader):
            """A sum of whole numbers, which PostgreSQL gives as a decimal, as Python's whole number."""

            def load(self, data: Any) -> int | float:
                text = bytes(data)
                return int(text) if text.lstrip(b"-").isdigit() else float(text)

        self.raw.adapters.register_loader("numeric", Number)
        encoding = self.raw.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise ConfigError(
                f"{self.where}: its encoding is {encoding}; expected UTF8, made by CREATE DATABASE ... "
                "ENCODING 'UTF8' TEMPLATE template0"
            )
        if not writing:
            self.execute("SET default_transaction_read_only = on")

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> psycopg.Cursor[Any]:
        """Run one statement."""
        with self._told():
            # The text is ours, and what comes from outside is a parameter; `ask` is for other questions.
            return self.raw.execute(translated(sql), parameters)

    def execute_for_bytes(self, sql: str, parameters: Sequence[Any], /) -> psycopg.Cursor[Any]:
        """The same for an answer that is mostly bytes, which then come as they are and not in hexadecimal."""
        with self._told():
            return self.raw.execute(translated(sql), parameters, binary=True)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each of *rows*; a plain ``INSERT`` goes by COPY, ten times as fast."""
        with self._told(), self.raw.cursor() as cursor:
            if (plain := _PLAIN_INSERT.fullmatch(sql)) is None:
                cursor.executemany(translated(sql), rows)
                return
            with cursor.copy(f"COPY {plain[1]} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def ask(
        self, question: str, parameters: Sequence[Any] | Mapping[str, Any], *, timeout_s: float
    ) -> tuple[str, ...]:
        """Ask *question*, one ``SELECT``, in a transaction that can only read; the answer's columns.

        `rows` gives the answer, and `end_answer` ends the transaction.
        """
        self.end_answer()
        self.execute("BEGIN READ ONLY")
        self._answer = cursor = self.raw.cursor("question")
        with self._told():
            limit = str(max(1, round(timeout_s * 1000)))
            self.raw.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
            cursor.execute(translated(question), parameters)
            return tuple(column.name for column in cursor.description or ())

    def rows(self) -> list[Any]:
        """The next rows of the answer; none: it is at its end."""
        with self._told():
            return self._answer.fetchmany(_AT_ONCE) if self._answer is not None else []

    def end_answer(self) -> None:
        """Let go of the answer, read or not."""
        if self._answer is None:
            return
        answer, self._answer = self._answer, None
        with contextlib.suppress(ConfigError), self._told():
            answer.close()
            self.raw.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self, *, snapshot: bool = False) -> Iterator[None]:
        """All or nothing; with *snapshot*, all of it sees the database as it was at the beginning."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if snapshot else "BEGIN")
        try:
            yield
        except BaseException:
            with contextlib.suppress(ConfigError):
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def close(self) -> None:
        """Let go of it."""
        self.end_answer()
        self.raw.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise _refusal(self.where, error) from None

    def __repr__(self) -> str:
        return f"Connection({self.where})"


class Refused(ConfigError):
    """What the server said no to; `state` is its SQLSTATE, empty where it said nothing."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:  # also where psycopg finds no libpq
        raise MissingPackage.needed_by(
            "PostgreSQL", "psycopg[binary]", install="guardrails-lite[postgres]"
        ) from error
    return psycopg


def _read_url(url: str) -> dict[str, Any]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "the database's URL is not one for PostgreSQL; expected postgresql://user@host/database"
        )
    try:
        told: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError:
        told = {"host": "@"}
    host, port = str(told.get("host", "")), str(told.get("port", "1"))
    # A password with one of these characters in it was taken apart, and is now a part of what follows it.
    if "@" in host + str(told.get("dbname", "")) or not port.replace(",", "").isdecimal():
        raise ConfigError(
            "the database's URL cannot be read; expected postgresql://user@host:port/database. In a user or "
            "password write %40 for @, %3A for :, %2F for /, %25 for %; passwords are best in ~/.pgpass"
        )
    return told


def _where(told: Mapping[str, Any]) -> str:
    host = told.get("host") or told.get("hostaddr") or "this machine"
    port = f":{told['port']}" if "port" in told else ""
    return f"database {told.get('dbname') or '(default)'!r} at {host}{port}"


def _refusal(where: str, error: psycopg.Error) -> Refused:
    import psycopg

    state = error.sqlstate or ""
    said = error.diag.message_primary or ""
    if state == "42501":
        why = f"{said}. Grant that to the role, or connect as another"
    elif state == "25006":
        why = "this would change something; it can only be read"
    elif state == "57014":
        why = "the server stopped it: it took too long, or somebody cancelled it"
    elif said:
        why = said
    elif isinstance(error, psycopg.OperationalError):
        why = f"the server cannot be reached, or refuses the connection ({_last_line(error)})"
    else:
        why = type(error).__name__
    return Refused(f"{where}: {why}", state)


def _last_line(error: Exception) -> str:
    """The end of libpq's message, which says why; the beginning says where, once for each address."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if "failed: " in line), lines[-1] if lines else "")
    return told.rpartition("failed: ")[2] or type(error).__name__
