"""The index: the same answers as reading the whole log, for less."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Usage
from guardrails_lite._record import AttemptStep, CheckStep
from guardrails_lite.audit import AuditLog, Clock, read, verify
from guardrails_lite.audit.index import Call, Filter, Index
from tests.audit import forger
from tests.audit.calls import call_id, intent, record

BEGIN_S = 1_764_000_000
HOUR = 3_600 * 10**9


class Times:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = BEGIN_S * 10**9

    def clock(self) -> Clock:
        return Clock(wall_ns=self.read, mono_ns=self.read)

    def read(self) -> int:
        self.now += 10**9
        return self.now


def varied(number: int) -> Any:
    """A record in which everything depends on *number*, spread over eight days."""
    check = CheckStep(
        f"block(r{number % 3}())",
        "input" if number % 2 else "output",
        0,
        ("passed", "found", "broken", "not run")[number % 4],
        "block" if number % 4 == 1 else None,
        (),
        1,
        0,
        10.0 + number,
        None,
    )
    usage = Usage(number, 2 * number)
    attempt = AttemptStep("primary", "m-1", 1, "answered", None, 200, 900.0, 0.0, usage, 0.001)
    return record(
        number,
        guard=(None, "desk", "sales")[number % 3],
        outcome=("passed", "blocked", "passed", "tool denied", "refused")[number % 5],
        model=f"m-{number % 2}",
        mode="monitor" if number % 7 == 0 else "enforce",
        started=float(BEGIN_S + number * 9_001),
        duration_us=100.0 * (number + 1),
        steps=(check, attempt),
        usage=usage,
        cost_usd=None if number % 6 == 0 else number / 1000,
        who={
            "user": f"u{number % 4}",
            "api_key": f"k{number % 2}",
            "tenant": "acme",
            "app": f"a{number % 5}",
        },
    )


@pytest.fixture(scope="module")
def varied_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of eighty varied calls in two streams and several segments."""
    root = tmp_path_factory.mktemp("varied") / "log"
    for part in (range(50), range(50, 80)):
        with AuditLog(root, segment_bytes=8192, clock=Times().clock()) as log:
            for number in part:
                log.intent(intent(number))
                log(varied(number))
    return root


@pytest.fixture
def index(varied_log: Path) -> Any:
    """Its index."""
    with Index(varied_log) as held:
        held.update()
        yield held


def dump(index: Index) -> dict[str, list[tuple[Any, ...]]]:
    """All that an index holds but the numbers of its rows; sums in any order are the same to nine digits."""
    tables = (
        "calls",
        "found",
        "tags",
        "events",
        "hours",
        "people",
        "latencies",
        "rules",
        "totals",
        "streams",
    )
    return {
        table: sorted(
            tuple(round(value, 9) if isinstance(value, float) else value for value in row)[
                1 if table in ("calls", "events") else 0 :
            ]
            for row in rows
        )
        for table in tables
        if table not in ("found", "tags")
        for rows in [index._db.execute(f"SELECT * FROM {table}").fetchall()]
    }


@pytest.fixture(scope="module")
def payloads(varied_log: Path) -> list[dict[str, Any]]:
    """What reading the whole log gives."""
    return [dict(entry.data) for entry in read(varied_log)]


def test_one_row_joins_an_intent_and_its_record(tmp_path: Path) -> None:
    """A call is unfinished until its record is there, and is one row before and after."""
    log = AuditLog(tmp_path / "log")
    log.intent(intent(1))
    with Index(log.directory) as index:
        index.update()
        (before,) = index.page().calls
        log(record(1))
        index.update()
        (after,) = index.page().calls
        assert (before.outcome, after.outcome, before.id) == ("unfinished", "passed", after.id)
        assert index.totals().unfinished == 0
        assert index.totals().calls == 1
    log.close()


def test_what_is_read_step_by_step_is_what_is_built_at_once(tmp_path: Path) -> None:
    """Following a log that grows gives the same index as building one at the end."""
    log = AuditLog(tmp_path / "log", segment_bytes=4096)
    with Index(log.directory) as index:
        for number in range(30):
            log.intent(intent(number))
            index.update()
            log(varied(number))
            if number % 3:
                index.update()
        log.close()
        index.update()
        followed = dump(index)
        index.rebuild()
        assert dump(index) == followed
        assert index.totals().calls == 30


def test_a_deleted_index_is_built_again(varied_log: Path, tmp_path: Path) -> None:
    """It holds nothing of its own."""
    place = tmp_path / "i.sqlite"
    with Index(varied_log, at=place) as index:
        index.update()
        first = dump(index)
    place.unlink()
    with Index(varied_log, at=place) as index:
        index.update()
        assert dump(index) == first


@pytest.mark.parametrize("wrecked", [b"not a database", b"SQLite format 3\0" + b"\7" * 200])
def test_a_wrecked_index_is_replaced(varied_log: Path, tmp_path: Path, wrecked: bytes) -> None:
    """A file that is no index of this log is thrown away, for it is disposable."""
    place = tmp_path / "i.sqlite"
    place.write_bytes(wrecked)
    with Index(varied_log, at=place) as index:
        index.update()
        assert index.totals().calls == 80


def test_an_index_of_another_log_or_version_is_replaced(varied_log: Path, tmp_path: Path) -> None:
    """What it says of itself decides."""
    place = tmp_path / "i.sqlite"
    with Index(varied_log, at=place) as index:
        index.update()
    db = sqlite3.connect(place)
    db.execute("UPDATE about SET value = '0' WHERE name = 'version'")
    db.execute("DELETE FROM calls")
    db.commit()
    db.close()
    with Index(varied_log, at=place) as index:
        index.update()
        assert index.totals().calls == 80


def test_a_directory_that_cannot_be_written_is_indexed_in_memory(varied_log: Path, tmp_path: Path) -> None:
    """A copy on a read-only volume can be looked at all the same."""
    with Index(varied_log, at=tmp_path / "nowhere" / "i.sqlite") as index:
        index.update()
        assert index.totals().calls == 80


@pytest.mark.parametrize("attack", [forger.flip(21), forger.delete(21), forger.insert(21), forger.swap(21)])
def test_a_damaged_stream_is_indexed_up_to_the_damage(tmp_path: Path, attack: forger.Edit) -> None:
    """What continues the chain is there, what does not is named, and other streams are whole."""
    root = tmp_path / "log"
    for numbers in (range(20), range(20, 30)):
        with AuditLog(root) as log:
            for number in numbers:
                log.intent(intent(number))
                log(record(number))
    forger.edit(root, attack)

    with Index(root) as index:
        index.update()
        damaged, whole, _ = sorted(index.sources(), key=lambda source: not source.problem)
        assert damaged.records in (21, 22)
        assert damaged.problem.startswith(f"record {damaged.records}: ")
        assert not whole.problem
        found = {call.id for call in index.calls() if call.outcome == "passed"}
        assert found == {call_id(number) for number in (*range(10), *range(20, 30))}


def test_a_changed_past_is_noticed(tmp_path: Path) -> None:
    """A log that was put back to an earlier state is indexed as it is now, not as it was."""
    root = tmp_path / "log"
    log = AuditLog(root)
    log(record(1))
    log.seal()
    saved = forger.copy(root, "saved")
    log(record(2))
    log.close()
    place = tmp_path / "i.sqlite"
    with Index(root, at=place) as index:
        index.update()
        assert index.totals().calls == 2
        forger.restore(saved, root)
        index.update()
        assert index.totals().calls == 1


def test_an_unfinished_line_waits(tmp_path: Path) -> None:
    """Half a line is counted in bytes and taken in once it is whole."""
    root = tmp_path / "log"
    with AuditLog(root) as log:
        log(record(1))
    path = forger.segment(root)
    whole = path.read_bytes()
    cut = whole[: whole.rindex(b'"t":"call.completed"') + 60]
    path.write_bytes(cut)
    with Index(root) as index:
        index.update()
        source = next(source for source in index.sources() if source.name != "registry")
        assert (source.torn, source.problem) == (len(cut) - cut.rindex(b"\n") - 1, "")
        path.write_bytes(whole)
        index.update()
        assert index.totals().calls == 1


def test_a_record_is_read_from_the_log_itself(index: Index, varied_log: Path) -> None:
    """`Index.entry` gives the line that the row came from."""
    for call in index.page(limit=80).calls:
        entry = index.entry(call)
        assert (entry.id, entry.data["outcome"]) == (call.id, call.outcome)


def test_many_records_come_in_the_order_of_their_calls(index: Index) -> None:
    """`Index.entries` gives what `Index.entry` does, whatever files the calls are in and however often."""
    calls = [*index.page(limit=80).calls, *index.page(limit=80, order="oldest").calls] * 2
    Random(1).shuffle(calls)
    assert len({call.stream for call in calls}) > 1
    assert list(index.entries(calls)) == [index.entry(call) for call in calls]


def test_a_forged_row_is_no_record(tmp_path: Path, varied_log: Path) -> None:
    """Lists believe the index, which anybody can write to; the record and the verdict come from the log."""
    root = tmp_path / "log"
    shutil.copytree(varied_log, root)
    with Index(root) as index:
        index.update()
        whole = index.totals()
    with closing(sqlite3.connect(root / "index.sqlite")) as editor, editor:
        editor.execute("UPDATE calls SET outcome = 'forged'")
    with Index(root) as index:
        index.update()
        calls = index.page(limit=80).calls
        assert {call.outcome for call in calls} == {"forged"}
        assert "forged" not in {index.entry(call).data["outcome"] for call in calls}
        assert verify(root).ok
        index.rebuild()
        assert index.totals() == whole
        assert "forged" not in {call.outcome for call in index.page(limit=80).calls}


def test_a_record_that_is_gone_is_said_to_be(tmp_path: Path, varied_log: Path) -> None:
    """An index that is older than the files does not give another line for the one asked for."""
    root = tmp_path / "log"
    shutil.copytree(varied_log, root)
    with Index(root) as index:
        index.update()
        calls = index.page(limit=80).calls
        shutil.rmtree(root / "streams" / calls[0].stream)
        with pytest.raises(LookupError, match="cannot be read at its place"):
            index.entry(calls[0])
        others = [call for call in calls if call.stream != calls[0].stream]
        records = index.entries([*others, calls[0]])
        assert [next(records).id for _ in others] == [call.id for call in others]
        with pytest.raises(LookupError, match="cannot be read at its place"):
            next(records)


def test_hostile_payloads_are_rows_too(tmp_path: Path) -> None:
    """Whatever a line's payload holds, the index takes what its columns can and goes on."""
    with AuditLog(tmp_path / "log") as log:
        for number, data in enumerate(
            [
                {"outcome": 7, "checks": "x", "usage": [], "who": 3, "cost_usd": "much", "started": -1},
                {"checks": [1, {"rule": None, "duration_us": 2**80}], "who": {"user": 1, "a": "\0\x1b[2J"}},
                {"outcome": "x" * 10_000, "duration_us": 1e300, "guard": "a\ud800b", "model": {}},
                {"usage": {"total_tokens": -(2**70)}, "content": {"ref": []}, "attempts": [{"status": "ok"}]},
                {"cost_usd": 10**400, "duration_us": 10**400, "attempts": [{"cost_usd": -(10**400)}]},
            ]
        ):
            log.append("call.completed", call_id(number), data)
        log.append("of.tomorrow", "", {"call": ["x"], "deep": [[[{}]]]})
    with Index(tmp_path / "log") as index:
        index.update()
        assert len(index.page().calls) == 5
        assert index.totals().calls == 5
        assert index.events(type="of.tomorrow")[0].data["deep"] == [[[{}]]]
        index.rules(), index.latency(), index.spend("user"), index.volume()


def test_records_that_lie_about_amounts_can_be_added_up(tmp_path: Path) -> None:
    """One is taken as far as its column goes; several of them would make more than any column takes."""
    vast = dict.fromkeys(("total_tokens", "prompt_tokens", "completion_tokens"), 2**80)
    lie = {
        "duration_us": 1e300,
        "usage": vast,
        "checks_usage": vast,
        "input_chars": 2**63,
        "output_chars": 1e90,
    }
    with AuditLog(tmp_path / "log") as log, Index(tmp_path / "log") as index:
        for number in range(6):
            checks = [{"rule": "r", "result": "passed", "duration_us": 1e300}]
            attempts = [{"target": "t", "result": "answered", "duration_us": 1e300}]
            data = {**lie, "outcome": "passed", "checks": checks, "attempts": attempts, "cost_usd": 1.5}
            log.append("call.completed", call_id(number), data)
            log.seal()
            index.update()
        assert index.totals().calls == 6
        assert index.totals().cost_usd == 9
        index.rules(), index.latency(), index.spend("user"), index.volume()


def test_a_second_record_of_a_call_does_not_replace_the_first(tmp_path: Path) -> None:
    """A call counts once, as its first record says; the log has both."""
    with AuditLog(tmp_path / "log") as log:
        log(record(1))
        log(record(1, outcome="blocked"))
    with Index(tmp_path / "log") as index:
        index.update()
        assert index.totals().outcomes == {"passed": 1}


def filters() -> st.SearchStrategy[Filter]:
    """Filters of all parts, some of them empty in effect."""
    some = lambda *values: st.lists(st.sampled_from(values), max_size=2, unique=True)  # noqa: E731
    when = st.none() | st.integers(0, 82).map(lambda number: (BEGIN_S + number * 9_001) * 10**9)
    return st.builds(
        Filter,
        outcome=some("passed", "blocked", "tool denied", "refused", "unfinished"),
        guard=some("", "desk", "sales", "none"),
        model=some("m-0", "m-1"),
        mode=some("enforce", "monitor"),
        rule=some("block(r0())", "block(r1())", "block(r2())"),
        tags=st.sampled_from([{}, {}, {"app": "a1"}, {"app": "none"}]),
        since=when,
        until=when,
    )


def wanted(asked: Filter, data: dict[str, Any]) -> bool:
    """The same question, of a payload."""
    found = {check["rule"] for check in data["checks"] if check["result"] in ("found", "broken", "timed out")}
    at = round(data["started"] * 1e9)
    return (
        all(
            not asked.values(name) or (data[name] or "") in asked.values(name)
            for name in ("outcome", "guard", "model", "mode")
        )
        and (not asked.rule or bool(found & set(asked.rule)))
        and all(data["who"].get(name) == value for name, value in dict(asked.tags).items())
        and (asked.since is None or at >= asked.since)
        and (asked.until is None or at < asked.until)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(asked=filters(), limit=st.integers(1, 30))
def test_pages_give_what_reading_gives(
    index: Index, payloads: list[dict[str, Any]], asked: Filter, limit: int
) -> None:
    """For any filter and any size of page: all calls asked for, once, in order."""
    expected = [data["id"] for data in payloads if wanted(asked, data)]
    expected.sort()  # ids grow with the time at which the call started
    given_calls: list[Call] = []
    after: str | None = None
    while True:
        page = index.page(asked, after=after, limit=limit, order="oldest")
        given_calls += page.calls
        after = page.more
        if after is None:
            break
    assert [call.id for call in given_calls] == expected
    assert [call.id for call in index.calls(asked)] == expected[::-1]


@pytest.mark.parametrize("limit", [5, 260, 300])
@pytest.mark.parametrize("days_ago", [0, 1])
def test_the_dearest_since_a_day_may_be_cheap_over_all(tmp_path: Path, limit: int, days_ago: int) -> None:
    """Whoever was dearest in a range is found, also behind hundreds who cost more before it."""
    today = BEGIN_S // 86_400 + 1
    spent: defaultdict[str, float] = defaultdict(float)
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        for number in range(290):
            is_new = number >= 250
            user = f"u-{number % 260}"
            cost = (0.25 if is_new else 2.0) + number / 1024
            day = today if is_new else today - 1
            log(record(number, started=day * 86_400.0 + number, cost_usd=cost, who={"user": user}))
            if is_new or days_ago:
                (name,) = log.pseudonyms_of("user", user)
                spent[name] += cost
    with Index(tmp_path / "log") as index:
        index.update()
        since = (today - days_ago) * 86_400 * 10**9
        found = index.spend("user", Filter(since=since), limit=limit)
    expected = sorted(spent, key=lambda name: -spent[name])[:limit]
    assert [(one.value, one.cost_usd) for one in found] == [
        (name, pytest.approx(spent[name])) for name in expected
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(asked=filters())
def test_sums_give_what_reading_gives(index: Index, payloads: list[dict[str, Any]], asked: Filter) -> None:
    """For any filter, and any range that begins within an hour or a day."""
    found = [data for data in payloads if wanted(asked, data)]
    cost = sum(data["cost_usd"] or 0 for data in found)

    totals = index.totals(asked)
    assert totals.outcomes == dict(Counter(data["outcome"] for data in found))
    assert (totals.calls, totals.tokens_in) == (len(found), sum(d["usage"]["prompt_tokens"] for d in found))
    assert totals.cost_usd == pytest.approx(cost)
    assert totals.unpriced == sum(data["cost_usd"] is None for data in found)
    volume = index.volume(asked, step_h=24)
    assert sum(step.calls for step in volume) == len(found)
    assert sum(step.blocked for step in volume) == totals.blocked
    for by, name in (("user", "user"), ("key", "api_key")):
        spends = {spend.value: spend.calls for spend in index.spend(by, asked)}
        assert spends == Counter(data["who"][name] for data in found)
    assert {s.value: s.calls for s in index.spend("guard", asked)} == Counter(d["guard"] or "" for d in found)
    took = sorted(round(data["duration_us"]) for data in found)
    latency = index.latency(asked)
    assert (latency.calls, latency.max_us) == (len(found), took[-1] if took else None)
    checks = Counter(check["rule"] for data in found for check in data["checks"])
    rules: Counter[str] = Counter()
    for use in index.rules(asked):
        rules[use.rule] += use.checks
    assert rules == checks
    facets = {facet.value: facet.calls for facet in index.facets("mode", asked)}
    if not asked.mode:
        assert facets == Counter(data["mode"] for data in found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(asked=filters())
def test_decisions_give_what_reading_gives(
    index: Index, payloads: list[dict[str, Any]], asked: Filter
) -> None:
    """In as many calls each rule did what, and any rule, as a reader of the log counts."""
    expected = Counter[tuple[str, str, str]]()
    for data in payloads:
        if wanted(asked, data):
            did = {(step["rule"], step["side"], step["action"]) for step in data["checks"] if step["action"]}
            expected.update(did | {("", "", action) for _, _, action in did})
    assert {(one.rule, one.side, one.action): one.calls for one in index.decisions(asked)} == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(asked=filters(), share=st.integers(1, 4))
def test_the_findings_of_some_calls_are_among_all(index: Index, asked: Filter, share: int) -> None:
    """Whichever calls are named, in the same order; an id of no call has none."""
    calls = [call.id for call in index.calls(asked)][::share]
    found = index.findings_in([*calls, *calls, "f" * 32])
    assert found == [one for one in index.findings() if one.call in set(calls)]


def test_a_percentile_of_many_calls_is_within_its_bound(index: Index) -> None:
    """Beyond the exact range a percentile comes from buckets, and is off by 2.2 % at most."""
    from guardrails_lite.audit.index import _measures

    exact = index.latency()
    counts = _measures._buckets(index._db, Filter())
    for share, told in ((50, exact.p50_us), (95, exact.p95_us), (99, exact.p99_us)):
        assert _measures._percentile(counts, share) == pytest.approx(told, rel=0.022)


def test_text_finds_a_call_by_the_beginning_of_its_id_or_by_a_tag(index: Index) -> None:
    """What a person pastes into a search field."""
    assert [call.id for call in index.page(Filter(text=call_id(7))).calls] == [call_id(7)]
    assert len(index.page(Filter(text="a3"), limit=100).calls) == 16
    user = index.page(limit=1).calls[0].user
    assert {call.user for call in index.page(Filter(text=user)).calls} == {user}
    assert index.page(Filter(text="nothing")).calls == ()


def test_find_tells_an_ambiguous_beginning(index: Index) -> None:
    """Two calls are enough to know."""
    assert len(index.find("0000")) == 2
    assert [call.id for call in index.find(call_id(5).upper())] == [call_id(5)]
    assert index.find("f") == []


def test_events_are_what_is_not_a_call(tmp_path: Path) -> None:
    """Everything else of the log, by type and by the call it is about."""
    with AuditLog(tmp_path / "log") as log:
        log(record(1))
        log.event("human.review", {"call": call_id(1), "verdict": "true positive"})
        log.event("erasure", {"subjects": []})
    with Index(tmp_path / "log") as index:
        index.update()
        (review,) = index.events(call=call_id(1))
        assert (review.type, review.data["verdict"]) == ("human.review", "true positive")
        assert [event.type for event in index.events(type=["erasure", "human.review"])] == [
            "erasure",
            "human.review",
        ]
        assert {"log.created", "stream.opened", "stream.closed", "log.opened"} <= {
            event.type for event in index.events()
        }


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda index: index.page(limit=0), "limit=0 must be from 1 to 1000"),
        (lambda index: index.page(after="x"), "the cursor 'x' did not come from a page"),
        (lambda index: index.facets("colour"), "no facet 'colour'; there are outcome"),
        (lambda index: index.spend("colour"), "no spend by 'colour'; there are key"),
        (lambda index: index.volume(step_h=0), "step_h=0 must be a whole number of hours"),
        (lambda index: Filter(outcome=[1]), r"Filter\(outcome=...\) takes a string"),
        (lambda index: Filter(since=1.5), r"Filter\(since=...\) takes nanoseconds"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(index: Index, ask: Any, said: str) -> None:
    """What was given, what was expected."""
    with pytest.raises(ConfigError, match=said):
        ask(index)


def test_parameters_of_a_question_go_by_order_or_by_name(
    index: Index, payloads: list[dict[str, Any]]
) -> None:
    """Both say the same, on every version of Python without a warning; one name may stand twice."""
    of_model = sum(data["model"] == "m-1" for data in payloads)

    ordered = index.sql("SELECT count(*) FROM calls WHERE model = ? AND model = ?", ["m-1", "m-1"])
    assert list(ordered.rows) == [(of_model,)]
    named = index.sql("SELECT count(*) FROM calls WHERE model = :of AND model = :of", {"of": "m-1"})
    assert list(named.rows) == [(of_model,)]


def test_what_is_no_log_has_no_index(tmp_path: Path) -> None:
    """Said before a file is made."""
    with pytest.raises(ConfigError, match="not a compliance log"):
        Index(tmp_path)
    assert list(tmp_path.iterdir()) == []
