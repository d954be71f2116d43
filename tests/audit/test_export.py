"""Exports: each format read back by a reader of its own rules, hostile values included."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails_lite import AuditLog, ConfigError
from guardrails_lite._harmless import safe
from guardrails_lite.audit import Entry, read, verify
from guardrails_lite.audit.export import FORMATS, MAPPERS, export, logs, metrics, send, take, traces
from guardrails_lite.audit.index import Filter
from tests.audit.calls import call_id, intent, record

HOSTILE = '=cmd|"calc"!A0\n|a]b\\c"=\x1b[31m\u202ex\x00'
TRACED = {"tenant": "acme", "trace_id": "ab" * 16, "span_id": "cd" * 8}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A log of four calls: passed, blocked, failed, and one with hostile names in a trace of its caller."""
    directory = tmp_path / "log"
    with AuditLog(directory) as log:
        for number, changes in enumerate(
            (
                {},
                {"outcome": "blocked"},
                {"outcome": "transport failed", "error": "Exhausted"},
                {"guard": HOSTILE, "model": HOSTILE, "who": TRACED},
            ),
            1,
        ):
            log.intent(intent(number))
            log(record(number, **changes))
        log.intent(intent(5))
    return directory


def lines(root: Path, format: str) -> list[str]:
    """What an export writes."""
    return "".join(export(root, format)).splitlines()


def entry(**data: Any) -> Entry:
    """An entry of a finished call, as a forger might have written it."""
    return Entry("s", 1, "call.completed", "f" * 32, 1, 1, data)


def test_csv_is_a_table_that_no_spreadsheet_runs(root: Path) -> None:
    """A row a finished call; what begins like a formula does not."""
    rows = list(csv.DictReader(io.StringIO("".join(export(root, "csv")), newline="")))

    assert [row["outcome"] for row in rows] == ["passed", "blocked", "transport failed", "passed"]
    assert [row["sends"] for row in rows] == ["1", "0", "1", "1"]
    assert rows[0]["started"] == "2025-11-24T16:00:01.000000Z"
    assert rows[1]["found"] == "block(injection())"
    assert re.fullmatch(r"p1:[0-9a-f]{32}", rows[0]["user"])
    assert rows[3]["model"] == "'" + safe(HOSTILE.replace("\0", ""))


def test_jsonl_is_the_log_itself(root: Path) -> None:
    """Entries, whole."""
    told = [json.loads(line) for line in lines(root, "jsonl")]

    assert [each["data"] for each in told] == [dict(found.data) for found in read(root)]


def test_ocsf_has_what_its_classes_require(root: Path) -> None:
    """An activity a call, a finding a check that found something."""
    events = [json.loads(line) for line in lines(root, "ocsf")]

    assert [event["class_uid"] for event in events] == [6003, 6003, 2004, 6003, 6003]
    for event in events:
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert {"time", "severity_id", "metadata", "activity_id"} <= event.keys()
        assert {"version", "product"} <= event["metadata"].keys()
        required = {"actor", "api", "src_endpoint"} if event["class_uid"] == 6003 else {"finding_info"}
        assert required <= event.keys()
    assert events[2]["finding_info"]["related_events"] == [{"uid": call_id(2), "type_uid": 600399}]
    assert [event.get("status") for event in events if event["class_uid"] == 6003] == [
        "Success",
        "Failure",
        "Failure",
        "Success",
    ]


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """A CEF line by the rules of its guide."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    pairs = re.findall(r"(\w+)=((?:[^\\=]|\\.)*?)(?= \w+=|$)", parts[7])
    return parts[:7], {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}


def test_cef_keeps_every_value_in_its_field(root: Path) -> None:
    """Bars, equal signs and line ends are told as its guide says."""
    told = [read_cef(line) for line in lines(root, "cef")]

    assert len(told) == 4
    assert told[0][0][:3] == ["CEF:0", "guardrails-lite", "guardrails-lite"]
    assert [head[6] for head, _ in told] == ["0", "6", "5", "0"]
    assert told[1][1]["reason"] == "block(injection())"
    assert told[3][1]["cs2"] == re.sub(r"[\x00-\x1f\u202e]", " ", HOSTILE)


_SYSLOG = re.compile(
    r"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) \[([^ ]+)((?: \w+=\"(?:[^\"\\\]]|\\.)*\")*)\] (.*)"
)


def test_syslog_is_read_by_the_grammar_of_its_rfc(root: Path) -> None:
    """One message a line, the facts as structured data."""
    told = [_SYSLOG.fullmatch(line) for line in lines(root, "syslog")]

    assert len(told) == 4
    assert all(told)
    assert [found[1] for found in told if found] == ["110", "108", "108", "110"]
    assert told[3] is not None
    data = dict(re.findall(r' (\w+)="((?:[^"\\\]]|\\.)*)"', told[3][8]))
    assert re.sub(r"\\(.)", r"\1", data["model"]) == re.sub(r"[\x00-\x1f\u202e]", " ", HOSTILE)


def attributes(told: Any) -> dict[str, Any]:
    """The attributes of a span, an event or a point."""
    return {each["key"]: next(iter(each["value"].values())) for each in told["attributes"]}


@pytest.mark.parametrize("version", MAPPERS)
def test_a_call_is_a_span_and_its_checks_are_events(root: Path, version: str) -> None:
    """In the caller's trace, where there was one; in the words of one version of the conventions."""
    found = traces(read(root), MAPPERS[version])
    spans = found["resourceSpans"][0]["scopeSpans"][0]["spans"]

    assert [span["status"]["code"] for span in spans] == [1, 2, 2, 1]
    assert (spans[3]["traceId"], spans[3]["parentSpanId"]) == ("ab" * 16, "cd" * 8)
    assert len({span["traceId"] for span in spans}) == 4
    for span in spans:
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        assert int(span["endTimeUnixNano"]) >= int(span["startTimeUnixNano"]) > 0
    told = attributes(spans[0])
    assert told["gen_ai.request.model"] == "m-1"
    assert told["gen_ai.usage.input_tokens"] == "10"
    check = attributes(spans[1]["events"][0])
    expected = {
        "2026-06": ("gen_ai.run_guardrail", "gen_ai.guardrail.verdict.type", "deny"),
        "2026-09": ("gen_ai.guardrail.result", "gen_ai.guardrail.result.value", "found"),
    }[version]
    assert spans[1]["events"][0]["name"] == expected[0]
    assert check[expected[1]] == expected[2]
    assert "example.org" not in json.dumps(found)


def test_logs_and_metrics_tell_the_same_calls(root: Path) -> None:
    """An event a call; sums and durations by guard, model and outcome."""
    events = logs(read(root))["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    told = metrics(read(root))["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    by_name = {each["name"]: each for each in told}

    assert [event["severityText"] for event in events] == ["INFO", "WARN", "ERROR", "INFO"]
    calls = by_name["guardrails_lite.calls"]["sum"]
    assert sum(int(point["asInt"]) for point in calls["dataPoints"]) == 4
    tokens = by_name["gen_ai.client.inference.usage.input_tokens"]["sum"]["dataPoints"]
    assert sum(int(point["asInt"]) for point in tokens) == 30
    for point in by_name["gen_ai.client.inference.duration"]["histogram"]["dataPoints"]:
        assert sum(map(int, point["bucketCounts"])) == int(point["count"])
        assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1
    assert metrics([])["resourceMetrics"][0]["scopeMetrics"][0]["metrics"] == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_NAMES = [
    "guard",
    "model",
    "outcome",
    "who",
    "checks",
    "attempts",
    "usage",
    "error",
    "style",
    "cost_usd",
    "digest",
    "started",
    "duration_us",
]


payloads = st.dictionaries(st.sampled_from(_NAMES), _json, max_size=6)


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"parquet"}))
@given(data=payloads)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_an_entry_holds_is_written(format: str, data: dict[str, Any]) -> None:
    """A log may be newer than this library, or forged: nothing in it breaks an export or its lines."""
    found = "".join(FORMATS[format].write([entry(**data), entry(cost_usd=10**400, duration_us=10**400)]))

    found.encode()
    if format == "csv":
        assert len(list(csv.reader(io.StringIO(found, newline="")))) == 3
    elif format in ("cef", "syslog"):
        assert len(found.splitlines()) == 2
    else:
        assert all(json.loads(line) for line in found.splitlines())


class Collector:
    """An OTLP/HTTP endpoint that keeps what it is sent."""

    def __init__(self, status: int = 200, answer: bytes = b"{}") -> None:
        told = self.told = []  # type: list[tuple[str, str | None, Any]]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                told.append((self.path, self.headers.get("authorization"), json.loads(body)))
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Collector:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_collector_gets_all_three_signals(root: Path) -> None:
    """At the paths of OTLP over HTTP, with the headers that were given."""
    with Collector() as collector:
        sent = send(read(root), collector.url + "/", headers={"authorization": "Bearer t"})

    assert sent == 4
    assert [(path, key) for path, key, _ in collector.told] == [
        ("/v1/traces", "Bearer t"),
        ("/v1/logs", "Bearer t"),
        ("/v1/metrics", "Bearer t"),
    ]
    assert collector.told[0][2] == traces(read(root))


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (503, b"busy", "answered with status 503"),
        (307, b"", "answered with status 307"),
        (
            200,
            b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "secret"}}',
            "refused 2 of the batch",
        ),
    ],
)
def test_a_collector_that_does_not_take_it_is_an_error(
    root: Path, status: int, answer: bytes, message: str
) -> None:
    """And a redirection is followed nowhere."""
    with Collector(status, answer) as collector, pytest.raises(ConfigError, match=message) as caught:
        send(read(root), collector.url)

    assert "secret" not in str(caught.value)
    assert len(collector.told) == 1


def test_wrong_use_is_said_before_anything_is_sent(root: Path) -> None:
    """What is expected, too."""
    with pytest.raises(ConfigError, match="must be an address"):
        send([], "localhost:4318")
    with pytest.raises(ConfigError, match="has a user or a password") as caught:
        send([], "http://ada:hunter2@localhost:4318")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="expected some of traces"):
        send([], "http://localhost:1", signals=["spans"])
    with pytest.raises(ConfigError, match="expected one of 2026-06"):
        send([], "http://localhost:1", mapper="2025")
    with pytest.raises(ConfigError, match="expected one of csv"):
        export(root, "xls")
    with pytest.raises(ConfigError, match="could not be reached"):
        send(read(root), "http://127.0.0.1:9", timeout_s=5)


def test_a_header_that_cannot_be_sent_is_not_shown(root: Path) -> None:
    """It is a token, as a rule."""
    with pytest.raises(ConfigError, match=r"a header for .* cannot be sent") as caught:
        send(read(root), "http://127.0.0.1:9", headers={"authorization": "Bearer hunter2\r\n"})

    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_filter_narrows_what_is_written(root: Path) -> None:
    """By the index; unfinished calls have no record to write."""
    found = "".join(export(root, "jsonl", filter=Filter(outcome=["blocked", "unfinished"]))).splitlines()

    assert [json.loads(line)["id"] for line in found] == [call_id(2)]


@pytest.fixture
def run(root: Path) -> Any:
    """The command, run for real."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "guardrails_lite", "log", "export", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_the_command_writes_a_new_private_file_or_sends(run: Any, root: Path, tmp_path: Path) -> None:
    """It overwrites nothing, and says what it did."""
    place = tmp_path / "calls.csv"
    done = run("--output", str(place), "--json")
    assert json.loads(done.stdout) == {"path": str(place), "bytes": place.stat().st_size, "format": "csv"}
    assert place.stat().st_mode & 0o077 == 0
    assert place.read_bytes().decode() == "".join(export(root, "csv"))
    assert run("--output", str(place)).returncode == 2
    assert run("--format", "cef", "--outcome", "blocked").stdout == "".join(
        export(root, "cef", filter=Filter(outcome="blocked"))
    )
    with Collector() as collector:
        assert run("--to", collector.url).stdout == "4 calls sent\n"
        assert run("--to", collector.url, "--format", "csv").returncode == 2
    assert run("--to", "nowhere").returncode == 5


def test_an_export_leaves_a_trace(root: Path, tmp_path: Path) -> None:
    """Who, why, which calls, and the digest of the file: enough to show later what somebody was given."""
    place, asked = tmp_path / "calls.jsonl", Filter(outcome="blocked")
    with AuditLog(root) as log:
        taken = take(log, place, "jsonl", by="ada", reason="case 12", filter=asked)
    content = place.read_bytes()
    (entry,) = read(root, kind="export.made")
    assert entry.data == {
        "by": "ada",
        "reason": "case 12",
        "format": "jsonl",
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        "chosen": {"outcome": ["blocked"]},
    }
    assert (taken.entry, taken.sha256, taken.bytes) == (entry.id, entry.data["sha256"], len(content))
    assert content.decode() == "".join(export(root, "jsonl", filter=asked))
    assert place.stat().st_mode & 0o077 == 0
    assert verify(root).state == "intact"


@pytest.mark.parametrize(
    ("name", "told", "match"),
    [
        ("new.csv", {"by": ""}, "needs by= and reason="),
        ("new.csv", {"reason": ""}, "needs by= and reason="),
        ("new.csv", {"format": "xls"}, "expected one of csv"),
        ("old.csv", {}, "already exists"),
    ],
)
def test_what_is_not_taken_leaves_no_trace(
    root: Path, tmp_path: Path, name: str, told: dict[str, str], match: str
) -> None:
    """Neither in the log nor on the disk."""
    (tmp_path / "old.csv").write_text("mine")
    asked = {"format": "csv", "by": "ada", "reason": "case 12", **told}
    with AuditLog(root) as log, pytest.raises(ConfigError, match=match):
        take(log, tmp_path / name, asked.pop("format"), **asked)
    assert list(read(root, kind="export.made")) == []
    assert (tmp_path / "old.csv").read_text() == "mine"
    assert not (tmp_path / "new.csv").exists()


def test_the_command_records_who_took_what(run: Any, root: Path, tmp_path: Path) -> None:
    """With --by; an export that could not be recorded so is refused before anything is written."""
    place = tmp_path / "calls.csv"
    asked = ("--output", str(place), "--by", "ada", "--reason", "case 12")
    told = json.loads(run(*asked, "--outcome", "blocked", "--json").stdout)
    (entry,) = read(root, kind="export.made")
    assert told == {
        "path": str(place),
        "bytes": place.stat().st_size,
        "format": "csv",
        "sha256": entry.data["sha256"],
        "entry": entry.id,
    }
    assert run(*asked).returncode == 5
    for wrong in (
        ("--by", "ada"),
        ("--by", "ada", "--reason", "why"),
        (*asked, "--to", "http://localhost:1"),
    ):
        assert run(*wrong).returncode == 2
    assert len(list(read(root, kind="export.made"))) == 1
