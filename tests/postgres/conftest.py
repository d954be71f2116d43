"""A PostgreSQL server of its own for each process of a test run, and an empty database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.postgres.server import is_installed, running

psycopg = pytest.importorskip("psycopg")

_COUNT = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server, without a database's name."""
    if not is_installed():
        pytest.skip("PostgreSQL is not installed")
    with running() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"test_{next(_COUNT)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
