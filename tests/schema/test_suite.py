"""The official JSON Schema tests: every required one, and the formats."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas.dialects import RawCheck, compile_schema

DRAFTS = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
SUITE = Path(__file__).parents[3] / "shared" / "data" / "json-schema-test-suite"

pytestmark = pytest.mark.skipif(
    not SUITE.is_dir(),
    reason="the official JSON Schema tests are not at ../shared/data/json-schema-test-suite",
)


@cache
def documents() -> dict[str, Any]:
    """The suite's remote schemas, by the address that its tests give them."""
    found = {}
    for path in (SUITE / "remotes").rglob("*.json"):
        name = path.relative_to(SUITE / "remotes").as_posix()
        draft = name.partition("/")[0]
        document = json.loads(path.read_text(encoding="utf-8"))
        if draft in ("draft3", "v1"):
            continue
        if isinstance(document, dict) and draft in DRAFTS:
            document = {"$schema": DRAFTS[draft], **document}
        found[f"http://localhost:1234/{name}"] = document
    return found


def remotes(draft: str) -> dict[str, Any]:
    """The remote schemas as *draft* reads those that name no draft."""
    return {
        uri: {"$schema": DRAFTS[draft], **document}
        if isinstance(document, dict) and "$schema" not in document
        else document
        for uri, document in documents().items()
    }


def groups(draft: str, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((SUITE / "tests" / draft / folder).glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            yield path.stem, group


def compiled(draft: str, schema: Any, *, assert_formats: bool) -> RawCheck:
    whole = {"$schema": DRAFTS[draft], **schema} if isinstance(schema, dict) else {"allOf": [schema]}
    return compile_schema(
        {"$schema": DRAFTS[draft], **whole}, documents=remotes(draft), assert_formats=assert_formats
    )


def wrong(draft: str, folder: str, *, assert_formats: bool) -> tuple[int, list[str]]:
    """How many tests there are, and which of them come out wrong."""
    count = 0
    failures = []
    for name, group in groups(draft, folder):
        check = compiled(draft, group["schema"], assert_formats=assert_formats)
        for test in group["tests"]:
            count += 1
            told = not check.defects(test["data"])
            if check.accepts(test["data"]) != test["valid"] or told != test["valid"]:
                failures.append(f"{name}: {group['description']}: {test['description']}")
    return count, failures


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's door to the network, shut."""

    def refused(*args: object, **options: object) -> None:
        raise AssertionError("a schema must not open a socket")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_required_test_of_a_draft_comes_out_right(draft: str) -> None:
    """The required tests pass without exception, and what is refused is also told."""
    count, failures = wrong(draft, "", assert_formats=False)
    assert count > 600
    assert failures == []


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_format_test_of_a_draft_comes_out_right(draft: str) -> None:
    """Formats are asserted, all of them."""
    count, failures = wrong(draft, "optional/format", assert_formats=True)
    assert count > 200
    assert failures == []


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_optional_tests_come_out_right_but_for_what_is_left_out_on_purpose(draft: str) -> None:
    """Encoded content is not looked into, and formats are asserted here by choice and not by vocabulary."""
    _, failures = wrong(draft, "optional", assert_formats=False)
    assert [name for name in failures if not name.startswith(("content:", "format-assertion:"))] == []


def test_a_remote_reference_is_refused_when_the_schema_is_compiled() -> None:
    """What is not given is never fetched, and the error says how to give it."""
    with pytest.raises(ConfigError, match=r"'https://example.com/other.json'.*documents="):
        compile_schema({"$ref": "https://example.com/other.json"})
