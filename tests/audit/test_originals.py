"""What was said before any rule: kept at level "sealed", opened by name only, forgotten with the key."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import OpenAI

from guardrails_lite import (
    AuditLog,
    Blocked,
    Cache,
    ConfigError,
    Finding,
    Guard,
    GuardrailsError,
    Record,
    Retry,
    block,
    bound,
    reask,
    redact,
    validator,
)
from guardrails_lite.audit import (
    Clock,
    Disk,
    Erased,
    KeptText,
    bundle,
    entry_schema,
    erase,
    expire,
    hold,
    lift,
    read,
    release,
    restrict,
    reveal,
)
from guardrails_lite.audit._content import Content, content_of
from guardrails_lite.cli import main
from guardrails_lite.testing import STYLES, LoopbackServer, ScriptedModel, Style
from tests.audit.calls import call_id, record
from tests.audit.test_privacy import everything
from tests.engine.conftest import NOW, word

pytest.importorskip("cryptography")
jsonschema = pytest.importorskip("jsonschema")

WHY: dict[str, Any] = {"reader": "officer", "reason": "T-1"}
SECRET = "battery-staple"
ASKED = [{"role": "user", "content": f"mail {SECRET}"}]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog(tmp_path / "log", capture="sealed") as held:
        yield held


def masking(log: Any, **more: Any) -> Guard[Any]:
    """A guard that masks the secret on both sides."""
    return Guard(input=[redact(hidden)], output=[redact(hidden)], log=log, retry=NOW, **more)


@validator(window=len(SECRET))
def hidden(text: str) -> Iterator[Finding]:
    """The secret."""
    for found in re.finditer(SECRET, text):
        yield Finding("a secret", span=found.span(), replacement="[SECRET]")


def content(log: AuditLog) -> dict[str, Any]:
    """What the record of the only call says that is kept."""
    (entry,) = log.records()
    jsonschema.validate(entry.data, entry_schema(entry.type))
    found = entry.data.get("content", {})
    assert isinstance(found, dict)
    return found


def both(log: AuditLog) -> tuple[list[str], list[str]]:
    """The texts of the only call: as the rules left them, and as they were said."""
    (entry,) = log.records()
    left: list[str] = []
    with contextlib.suppress(LookupError):
        left = [kept.text for kept in reveal(log, entry.id, **WHY)]
    return left, [kept.text for kept in reveal(log, entry.id, **WHY, texts="original")]


# --- what is kept ---


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_both_are_kept_where_they_differ(log: AuditLog, style: Style) -> None:
    """In every style of calling: by default the masked text, the original where it is asked for by name."""
    style.call(masking(log), ScriptedModel([f"sent {SECRET} there"], size=3), ASKED)

    assert both(log) == (["mail [SECRET]", "sent [SECRET] there"], [f"mail {SECRET}", f"sent {SECRET} there"])
    assert set(content(log)) == {"capture", "commit", "ref", "original"}


@pytest.mark.parametrize("rules", [[], [redact(hidden)]], ids=["no rule", "a rule that finds nothing"])
def test_nothing_is_kept_twice(log: AuditLog, rules: list[Any]) -> None:
    """Where the rules changed nothing there is one box, and it is what was said."""
    Guard(input=rules, output=rules, log=log).run(lambda messages: "fine", "hello")

    assert content(log)["original"] is None
    assert both(log) == (["hello", "fine"], ["hello", "fine"])


def test_a_text_that_the_rules_left_is_in_one_box_only(log: AuditLog, tmp_path: Path) -> None:
    """Beside a masked text a long one that was not costs nothing more."""
    with AuditLog(tmp_path / "short", capture="sealed") as short:
        for each, said in ((log, "x" * 4000), (short, "x")):
            masking(each).run(lambda messages, said=said: said, ASKED)
    sizes = [int(content(each)["original"]["ref"].split(":")[2]) for each in (log, short)]
    assert sizes[0] == sizes[1]
    assert both(log)[1] == [f"mail {SECRET}", "x" * 4000]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_what_a_rule_stopped_is_kept_as_it_was_said(log: AuditLog, style: Style) -> None:
    """A request that goes nowhere and a reply that goes to nobody have originals, and no other text."""
    stops = Guard(input=[block(word("bad"))], output=[block(word("worse"))], log=log, retry=NOW)
    with pytest.raises(Blocked):
        style.call(stops, ScriptedModel(["never asked"]), "so bad")
    assert both(log) == ([], ["so bad"])
    assert set(content(log)) == {"capture", "original"}


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_reply_that_was_stopped_is_kept(log: AuditLog, style: Style) -> None:
    """A stream that a rule ends is kept as far as it had come."""
    stops = Guard(output=[block(hidden)], log=log, retry=NOW)
    with pytest.raises(Blocked):
        style.call(stops, ScriptedModel([f"it is {SECRET}, you know"], size=3), "hi")
    left, said = both(log)
    assert (left, said[0]) == (["hi"], "hi")
    assert said[1] == f"it is {SECRET}, you know" or (
        style.is_stream and said[1].startswith(f"it is {SECRET}")
    )


def test_each_reply_that_was_judged_is_kept(log: AuditLog) -> None:
    """One that was asked for again too; one that was no reply at all is not."""
    replies = iter([f"again {SECRET}", ConnectionError("no route"), "fine"])

    def model(messages: Any) -> str:
        said = next(replies)
        if isinstance(said, Exception):
            raise said
        return said

    guard = Guard(output=[reask(hidden)], log=log, retry=Retry(attempts=3, reasks=2, wait=0))
    guard.run(model, "hi")

    left, said = both(log)
    assert left == ["hi", "fine"]
    assert said == ["hi", f"again {SECRET}", "fine"]


def test_what_was_kept_of_another_call_is_as_it_was_kept(log: AuditLog) -> None:
    """A call that a cached reply answers was answered by the masked text."""
    with (
        LoopbackServer(then=f"it is {SECRET}") as server,
        OpenAI(base_url=server.base_url, api_key="k") as plain,
    ):
        client = masking(log, cache=Cache()).wrap(plain)
        for _ in range(2):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    first, second = (reveal(log, entry.id, **WHY, texts="original") for entry in log.records())
    assert (first[1][2], second[1][2]) == (f"it is {SECRET}", "it is [SECRET]")


def test_a_cancelled_call_keeps_what_was_said(log: AuditLog) -> None:
    """It is written in a thread, by the same way."""

    async def model(messages: Any) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(masking(log).arun(model, ASKED))
    assert both(log) == (["mail [SECRET]"], [f"mail {SECRET}"])


def test_a_vault_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The record is written, says so, and promises no text of either form."""

    def write(fd: int, data: bytes) -> int:
        raise OSError(28, "injected")

    log = AuditLog(tmp_path / "log", capture="sealed")
    log.vault._disk = Disk(write=write)
    masking(log).run(lambda messages: "fine", ASKED)
    assert content(log) == {"capture": "sealed", "failed": "OSError"}
    assert content_of({"content": content(log)}) == Content(None, None, has_originals=False)


# --- who gets them ---


def test_no_other_sink_gets_them(log: AuditLog, tmp_path: Path) -> None:
    """Neither a function, nor the caller, nor a log that keeps less, though they share a guard."""
    given: list[Record] = []
    less = AuditLog(tmp_path / "less", capture="redacted")
    outcome = masking([given.append, log, less]).run(lambda messages: f"is {SECRET}", ASKED)
    less.close()

    for told in (*given, outcome.record):
        assert SECRET.encode() not in pickle.dumps(told)
        assert SECRET not in repr(told._asdict())
    assert "original" not in content(less)
    (entry,) = less.records()
    with pytest.raises(LookupError, match=r"no originals: only a log with capture='sealed'"):
        reveal(less, entry.id, **WHY, texts="original")
    assert both(log)[1] == [f"mail {SECRET}", f"is {SECRET}"]


def test_a_record_that_comes_without_them_promises_none(log: AuditLog) -> None:
    """What an application hands to the log itself has only its texts."""
    log(record(1, texts=(("input", "user", "hi"),)))
    assert "original" not in content(log)
    with pytest.raises(LookupError, match="no originals"):
        reveal(log, call_id(1), **WHY, texts="original")


@pytest.mark.parametrize("capture", ["none", "metadata", "redacted", "sealed"])
@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_byte_of_the_log_shows_what_was_masked(
    tmp_path_factory: pytest.TempPathFactory, capture: Any, data: st.DataObject
) -> None:
    """Law: planted secrets are in no byte on the disk; below "sealed" they are not even in an opened box."""
    root = tmp_path_factory.mktemp("log") / "log"
    words = st.lists(st.sampled_from([SECRET, "a", "bad", "\u202e", "é"]), max_size=4).map(" ".join)
    rules = st.lists(st.sampled_from([redact(hidden), block(word("bad")), reask(word("é"))]), max_size=3)
    asks = st.lists(words, min_size=1, max_size=3)
    with AuditLog(root, mode="async", capture=capture) as log:
        for _ in range(3):
            before = [each for each in data.draw(rules) if each.verb != "reask"]
            guard = Guard(
                input=[redact(hidden), *before], output=[redact(hidden), *data.draw(rules)], log=log
            )
            style = data.draw(st.sampled_from(STYLES))
            said = [{"role": "user", "content": each} for each in data.draw(asks)]
            replies = [data.draw(words) or "x" for _ in range(3)]
            with bound(user="ada@example.org"), contextlib.suppress(GuardrailsError):
                style.call(guard | Guard(retry=NOW), ScriptedModel(replies, size=2), said)
        opened = [_opened(log, entry.id, content_of(entry.data)) for entry in log.records()]
    assert SECRET.encode() not in everything(root)
    kept = [each.text for texts, _ in opened for each in texts]
    assert not [text for text in kept if SECRET in text]
    if capture != "sealed":
        assert not [each for _, originals in opened for each in originals or ()]
    assert log.verify().ok


def _opened(log: AuditLog, call: str, held: Content) -> tuple[Any, Any]:
    texts = log.vault.take(call, held.kept) if held.kept is not None else ()
    return texts, log.vault.take_originals(call, held, texts) if held.has_originals else None


# --- opening, restricting, forgetting ---


def test_each_opening_says_which_form_was_read(log: AuditLog) -> None:
    """The log tells of every reading whether it was of what was said."""
    masking(log).run(lambda messages: "fine", ASKED)
    both(log)
    assert [entry.data["texts"] for entry in log.records("log.read")] == ["redacted", "original"]
    for entry in log.records("log.read"):
        jsonschema.validate(entry.data, entry_schema("log.read"))


@pytest.mark.parametrize("wrong", ["originals", "", True])
def test_another_word_for_the_form_is_refused(log: AuditLog, wrong: Any) -> None:
    """And nothing is opened or recorded."""
    masking(log).run(lambda messages: "fine", ASKED)
    (entry,) = log.records()
    with pytest.raises(ConfigError, match="expected 'redacted'"):
        reveal(log, entry.id, **WHY, texts=wrong)
    with pytest.raises(ConfigError, match="reader= and reason="):
        reveal(log, entry.id, reader="officer", reason="", texts="original")
    assert list(log.records("log.read")) == []


def test_of_a_call_that_was_stopped_only_what_was_said_can_be_read(log: AuditLog) -> None:
    """Asked for the rest, the error says how."""
    with pytest.raises(Blocked):
        Guard(input=[block(word("bad"))], log=log).run(lambda messages: "", "bad")
    (entry,) = log.records()
    with pytest.raises(LookupError, match=r"stopped all of it\. texts='original'"):
        reveal(log, entry.id, **WHY)


def test_what_was_said_is_forgotten_with_the_rest(log: AuditLog) -> None:
    """A hold and a restriction are for originals too; erased, nobody opens them and every proof holds."""
    guard = masking(log)
    with bound(user="ada"):
        guard.run(lambda messages: "fine", ASKED)
        with pytest.raises(Blocked):
            Guard(input=[block(hidden)], log=log).run(lambda messages: "", ASKED)
    with bound(user="bob"):
        guard.run(lambda messages: "fine", ASKED)
    masked, stopped, other = (entry.id for entry in log.records())
    before = [entry.data["content"] for entry in log.records()]

    def originals(call: str) -> Any:
        return reveal(log, call, **WHY, texts="original")

    placed = restrict(log, "ada", request="R-1", basis="GDPR 18")
    for call in (masked, stopped):
        with pytest.raises(ConfigError, match="under restriction"):
            originals(call)
    lift(log, placed, owner="ada", reason="settled")
    held = hold(log, "ada", owner="counsel", reason="case")
    with pytest.raises(ConfigError, match="under legal hold"):
        erase(log, "ada", request="R-2", basis="GDPR 17")
    assert originals(stopped) == (KeptText("input", "user", f"mail {SECRET}", 0),)
    assert held

    release(log, held, owner="counsel", reason="closed")
    assert erase(log, "ada", request="R-2", basis="GDPR 17") == 1
    for call, form in itertools.product((masked, stopped), ("redacted", "original")):
        with pytest.raises((Erased, LookupError)):
            reveal(log, call, **WHY, texts=form)
    with pytest.raises(Erased):
        originals(masked)
    with pytest.raises(Erased):
        originals(stopped)
    assert originals(other)[0][2] == f"mail {SECRET}"
    assert [entry.data["content"] for entry in log.records()] == before
    assert log.verify().ok


def test_what_was_said_goes_with_its_record(tmp_path: Path) -> None:
    """Retention overwrites both boxes of a call."""
    times = iter(range(10**18, 2 * 10**18, 10**9))
    clock = Clock(wall_ns=lambda: next(times), mono_ns=lambda: next(times))
    log = AuditLog(tmp_path / "log", capture="sealed", segment_bytes=4096, clock=clock)
    for _ in range(12):
        masking(log).run(lambda messages: f"is {SECRET}", ASKED)
    log.close()
    (boxes,) = log.directory.glob("vault/*.boxes")
    assert any(boxes.read_bytes())
    later = AuditLog(tmp_path / "log", clock=Clock(wall_ns=lambda: 3 * 10**18, mono_ns=lambda: 0))
    assert expire(later, keep_days=1, by="job")
    later.close()
    assert not any(boxes.read_bytes())


def test_one_box_passes_for_no_other(log: AuditLog) -> None:
    """A record that was changed to name the originals as what may be read by default opens nothing."""
    masking(log).run(lambda messages: "fine", ASKED)
    (entry,) = log.records()
    held = content_of(entry.data)
    assert held.kept is not None
    assert held.original is not None
    with pytest.raises(ValueError, match="was changed"):
        log.vault.take(entry.id, held.original)
    with pytest.raises(ValueError, match="was changed"):
        log.vault.take_originals(entry.id, Content(held.kept, held.kept, has_originals=True), ())


def test_a_box_that_points_to_no_text_is_damage(log: AuditLog) -> None:
    """What only somebody with the keys can bring about is told as what it is."""
    masking(log).run(lambda messages: "fine", ASKED)
    (entry,) = log.records()
    with pytest.raises(ValueError, match="does not hold what was said"):
        log.vault.take_originals(entry.id, content_of(entry.data), ())


# --- where they never are ---


def test_nothing_that_leaves_the_log_holds_one(
    log: AuditLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lists, records, search, sums, samples, exports, evidence: none has what was masked or stopped."""
    with bound(user="ada"):
        masking(log).run(lambda messages: f"is {SECRET}", ASKED)
        with pytest.raises(Blocked):
            Guard(input=[block(hidden)], log=log).run(lambda messages: "", ASKED)
    calls = [entry.id for entry in log.records()]
    bundle(log, tmp_path / "evidence.zip", by="auditor", reason="audit")
    log.close()
    where = str(log.directory)
    actions: list[list[str]] = [
        *(["show", where, call, "--json"] for call in calls),
        ["ls", where, "--json"],
        ["grep", where, "."],
        ["sql", where, "SELECT * FROM calls"],
        ["alerts", where, "--once"],
        ["doctor", where],
        ["sample", where, "--by", "ada", "--size", "2", "--json"],
        *(["export", where, "--format", name] for name in ("csv", "jsonl", "ocsf", "cef", "syslog")),
    ]
    for action in actions:
        assert main(["log", *action]) in (0, 1), action
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    with zipfile.ZipFile(tmp_path / "evidence.zip") as held:
        evidence = b"".join(held.read(name) for name in held.namelist())
    assert SECRET.encode() not in everything(log.directory) + evidence


# --- from the command line ---


def test_the_command_opens_what_was_said_when_told_to(
    log: AuditLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --original it shows the masked text, and each reading is recorded with its form."""
    masking(log).run(lambda messages: "fine", ASKED)
    (entry,) = log.records()
    log.close()
    opens = ["log", "reveal", str(log.directory), entry.id[:8], "--reader", "ada", "--reason", "T-1"]
    assert main(opens) == 0
    assert "mail [SECRET]" in capsys.readouterr().out
    assert main([*opens, "--original"]) == 0
    assert f"mail {SECRET}" in capsys.readouterr().out
    assert [each.data["texts"] for each in read(log.directory, kind="log.read")] == ["redacted", "original"]
    with pytest.raises(SystemExit):
        main(["log", "reveal", str(log.directory), entry.id, "--reader", "ada", "--original"])
