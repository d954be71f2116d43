"""Whose key a call is made with: named in the record, held nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from guardrails_lite import AuditLog, Guard, Record, bound
from guardrails_lite.audit import find_subject, pseudonyms_in
from guardrails_lite.audit.index import Index
from guardrails_lite.testing import LoopbackServer

from .asking import ask

KEY = "sk-planted-0f9d2c"


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI], ids=lambda kind: kind.__name__)
def test_spend_is_told_by_key_without_the_key(kind: type[Any], api: str, tmp_path: Path) -> None:
    """A wrapped client's calls add up under its key's name, which only who knows the key can look up."""
    log = AuditLog(tmp_path / "audit")
    with LoopbackServer(then="Oslo.") as server, log:
        for key in (KEY, KEY, "sk-another"):
            ask(Guard(log=log).wrap(kind(base_url=server.base_url, api_key=key)), api, False)
        assert len(list(find_subject(log, KEY, kind="api_key"))) == 2

    (name,) = pseudonyms_in(log.directory, "api_key", KEY)
    with Index(log.directory) as index:
        index.update()
        assert {spend.value: spend.calls for spend in index.spend("key")}[name] == 2
    files = [path for path in log.directory.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_key_that_is_bound_goes_before_the_clients(tmp_path: Path) -> None:
    """One client may serve many tenants' keys; the record holds the name that the application gives."""
    records: list[Record] = []
    with LoopbackServer(then="Oslo.") as server, bound(api_key="team a"):
        client = openai.OpenAI(base_url=server.base_url, api_key=KEY)
        ask(Guard(log=records.append).wrap(client), "chat", False)

    assert records[0].who == {"api_key": "team a"}


@pytest.mark.parametrize("given", [lambda: KEY, None], ids=["a function", "a token of Azure's"])
def test_a_client_without_a_key_of_its_own_has_no_name(given: Any) -> None:
    """What changes from call to call names nobody."""
    records: list[Record] = []
    with LoopbackServer(then="Oslo.") as server:
        client: Any = openai.OpenAI(base_url=server.base_url, api_key=given) if given else None
        if client is None:
            place = server.base_url.removesuffix("/v1")
            client = openai.AzureOpenAI(azure_endpoint=place, api_version="v", azure_ad_token=KEY)
        with client, Guard(log=records.append).wrap(client) as wrapped:
            wrapped.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi."}])

    assert records[0].who == {}
    assert KEY not in str(records[0].to_dict())
