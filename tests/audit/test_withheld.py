"""No text that a guard was given stands in the log: not in the clear, not encoded, not as a plain hash."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

import guardrails_lite_validators
from guardrails_lite import AuditLog, Budget, Guard, Price, Retry, block, target, tool, warn
from guardrails_lite._plugins import names
from guardrails_lite._validators import Finding, Validator, validator
from guardrails_lite.audit import read
from guardrails_lite.reliability import Limits, Upstream
from guardrails_lite_validators import (
    competitors,
    egress,
    exfiltration,
    grounding,
    judge,
    keywords,
    moderation,
    pii,
    profanity,
    regex,
    similarity,
    sql,
    topic,
    urls,
)

SECRET = "falconridge"
LONG = f"{SECRET} is what nobody outside may learn of, and neither may whoever reads the log"


class Client:
    """As far as `moderation` looks at one."""

    class moderations:  # as the client calls it
        @staticmethod
        def create(**asked: Any) -> Any:
            raise ConnectionError(LONG)

    api_key = SECRET


def ask(prompt: str) -> str:
    raise ConnectionError(LONG)


def mask(kind: str, text: str) -> str:
    return SECRET


PLANTED: dict[str, dict[str, Callable[[], Validator]]] = {
    "competitors": {
        "names": lambda: competitors([SECRET]),
        "also_words": lambda: competitors(["Acme"], also_words=[SECRET]),
    },
    "egress": {
        "values": lambda: egress(values=[SECRET]),
        "prompt": lambda: egress(prompt=LONG),
    },
    "exfiltration": {"allow": lambda: exfiltration(allow=[f"{SECRET}.example"])},
    "grounding": {"context": lambda: grounding([LONG])},
    "keywords": {"words": lambda: keywords([SECRET])},
    "judge": {"ask": lambda: judge(ask, "Is it?"), "question": lambda: judge(ask, LONG)},
    "moderation": {"client": lambda: moderation(Client())},
    "pii": {"mask": lambda: pii(mask=mask)},
    "profanity": {
        "more": lambda: profanity(more=[SECRET]),
        "allow": lambda: profanity(allow=[SECRET]),
    },
    "regex": {"patterns": lambda: regex(SECRET)},
    "similarity": {"texts": lambda: similarity([LONG])},
    "sql": {"tables": lambda: sql(tables=[SECRET])},
    "topic": {"examples": lambda: topic([LONG])},
    "urls": {
        "allow": lambda: urls(allow=[f"{SECRET}.example"]),
        "deny": lambda: urls(deny=[f"{SECRET}.example"]),
    },
}
"""For each shipped validator, each setting that takes texts."""

NAMES = {
    "category",  # of findings: what people count by
    "message",  # of findings: a constant, by contract
    "schemes",
    "model",
    "folder",
    "file",
    "nlp",
    "recognizers",  # their classes
    "entities",  # names, which become categories
    "labels",
}
"""Settings that name what a reader of the log has to be told of, and say so in their documentation."""

CHOICES = {
    *("match", "case", "kinds", "languages", "language", "source", "sink", "sinks", "dialect"),
    *("categories", "allowed", "flags", "allow"),
}
"""Settings that take what is on a list, or is refused; or a number."""


def traces(secret: str) -> Iterator[bytes]:
    """What a directory that gives *secret* away would hold."""
    for form in {secret, secret.upper(), secret[::-1], json.dumps(secret), json.dumps([secret])}:
        raw = form.encode()
        yield raw
        yield base64.b64encode(raw).rstrip(b"=")[:-1]
        yield raw.hex().encode()
        for make in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b):
            yield make(raw).hexdigest()[:16].encode()
            yield base64.b64encode(make(raw).digest())[:16]


def assert_unseen(root: Path) -> None:
    """No file of the log, keys and all, gives the planted texts away."""
    sought = [trace for secret in (SECRET, LONG, f"{SECRET}.example") for trace in traces(secret)]
    held = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert any(b"policy.loaded" in text for text in held.values())
    found = {(path.name, trace) for path, text in held.items() for trace in sought if trace in text}
    assert found == set()


def shipped() -> list[tuple[str, str]]:
    """Each setting of each shipped validator."""
    made = {*names(), "judge", "moderation"}
    return [
        (name, setting)
        for name in sorted(made & set(guardrails_lite_validators.__all__))
        for setting in inspect.signature(getattr(guardrails_lite_validators, name)).parameters
    ]


@pytest.mark.parametrize(("name", "setting"), shipped())
def test_each_setting_of_a_shipped_validator_is_planted_or_is_no_text(name: str, setting: str) -> None:
    """A new setting has to be thought about."""
    parameter = inspect.signature(getattr(guardrails_lite_validators, name)).parameters[setting]
    is_number = str(parameter.annotation).replace(" | None", "") in ("int", "float", "bool")
    assert is_number or setting in PLANTED.get(name, {}) or setting in NAMES | CHOICES


@pytest.mark.parametrize(
    ("name", "setting"), [(name, setting) for name, each in PLANTED.items() for setting in each]
)
def test_no_text_of_a_validator_reaches_the_log(tmp_path: Path, name: str, setting: str) -> None:
    """On either side, when it finds, when it does not, and when it breaks."""
    if name == "sql":
        pytest.importorskip("sqlglot")
    made = PLANTED[name][setting]
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard = Guard(input=[warn(made())], output=[warn(made())], log=log)
        guard.run(lambda messages: "fine", "hello there")
    assert_unseen(tmp_path / "log")
    (entry,) = read(tmp_path / "log", kind="policy.loaded")
    assert entry.data["digest"] == guard.digest


class Note(BaseModel):
    """A note about falconridge is what nobody outside may learn of."""

    text: Annotated[str, block(keywords([SECRET]))] = Field(
        default=LONG, description=LONG, examples=[SECRET], pattern=f".*|{SECRET}"
    )
    kind: str = Field(json_schema_extra={"enum": [SECRET, "other"], "const": SECRET, "x-note": LONG})


def look_up(order: str) -> str:
    """Look an order up; falconridge is what nobody outside may learn of."""
    return order


def test_no_text_of_a_guard_reaches_the_log(tmp_path: Path) -> None:
    """Schemas, tools, fallbacks with their headers and keys, limits by caller, functions."""

    class Approver:
        def __repr__(self) -> str:
            return LONG

        def __call__(self, call: object) -> bool:
            return True

    client = OpenAI(
        api_key=SECRET,
        base_url=f"http://user:{SECRET}@127.0.0.1:9/v1",
        default_headers={"x-key": SECRET},
        organization=SECRET,
    )
    upstream = Upstream(limits=Limits(rpm=5, by="user", weights={SECRET: 2.0}))
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard = Guard(
            schema=Note,
            tools=[tool(look_up, approve=Approver(), description=LONG)],
            fallback=[
                target(model="small", user=SECRET, extra_headers={"Authorization": SECRET}, stop=[SECRET]),
                target(
                    client,
                    upstream=upstream,
                    model="big",
                    extra_body={"system": LONG},
                    metadata={SECRET: SECRET},
                ),
                target(json.dumps({"text": "sorry", "kind": LONG})),
            ],
            budget=Budget(prices={"small": Price(1, 1)}),
            retry=Retry(attempts=1, wait=0, reasks=0),
            upstream=upstream,
            log=log,
        )
        outcome = guard.run(lambda messages, **params: "no json", "hello")
    client.close()
    assert outcome.record.outcome == "fell back"
    assert_unseen(tmp_path / "log")


def test_a_validator_of_your_own_keeps_its_words_to_itself(tmp_path: Path) -> None:
    """Where it says which are private; printed they are only where `params` has them too."""

    def listed(words: list[str], **shown: Any) -> Validator:
        @validator(name="listed", private={"words": words}, **shown)
        def find(text: str) -> list[Finding]:
            return [Finding("contains a listed word")] if any(word in text for word in words) else []

        return find

    assert repr(warn(listed([SECRET]))) == "warn(listed(words=1))"
    shown = warn(listed([SECRET], params={"words": [SECRET], "case": "exact"}))
    assert repr(shown) == f"warn(listed(words=['{SECRET}'], case='exact'))"
    assert shown.told == "warn(listed(words=1, case='exact'))"
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard = Guard(input=[shown], log=log)
        record = guard.run(lambda messages: "fine", "hello").record
    assert record.checks[0].rule == "warn(listed(words=1, case='exact'))"
    assert_unseen(tmp_path / "log")


def test_private_is_a_mapping() -> None:
    """Said where it is made."""
    from guardrails_lite import ConfigError

    with pytest.raises(ConfigError, match="private= of validator 'find' must be a mapping of argument names"):
        validator(name="find", private=["words"])(lambda text: [])  # type: ignore[call-overload]
