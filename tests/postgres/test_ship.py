"""A log that was shipped is what it was: the same answers, the same verdict, byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite._record import KeptText
from guardrails_lite.audit import AuditLog, expire, read, verify
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit.index import Filter, Index
from guardrails_lite.audit.postgres import ShippedIndex, fetch, fetched, ship
from guardrails_lite.cli import main
from tests.audit.attacks_on_copies import DATABASE, DatabaseAttack
from tests.audit.calls import intent, record
from tests.audit.test_index import varied
from tests.audit.test_retention import Time, aged
from tests.cli.test_states import DAMAGED, NO_LOG, content
from tests.postgres.server import PASSWORD

ROOT = Path(__file__).parents[2]
SOME = (
    Filter(),
    Filter(outcome="blocked"),
    Filter(guard="desk", since=1_764_090_000_000_000_000),
    Filter(rule="block(r1())"),
    Filter(until=1_764_300_000_000_000_000, model="m-1"),
    Filter(text="00000000000000000000000000000001"),
    Filter(tenant="acme", mode="monitor"),
    Filter(since=1_764_115_200_000_000_000),
    Filter(user="nobody"),
)


def write(root: Path, first: int, last: int, **options: Any) -> AuditLog:
    """A log, still open, with calls from *first* up to *last*."""
    log = AuditLog(root, checkpoint_every=8, heartbeat_s=None, **options)
    for number in range(first, last):
        log.intent(intent(number))
        log(varied(number))
    return log


def rounded(value: Any) -> Any:
    """With amounts that were added up in another order made alike."""
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return rounded(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else value


def answers(index: Index | ShippedIndex, asked: Filter) -> list[Any]:
    """All that can be asked."""
    return [
        [call.id for call in index.calls(asked)],
        [call.id for call in index.calls(asked, order="oldest")],
        index.page(asked, limit=3).calls[:1] and index.page(asked, limit=3).calls[0].to_dict(),
        index.totals(asked),
        index.volume(asked, step_h=5),
        [
            sorted(index.spend(by, asked), key=lambda spend: spend.value)  # equal amounts differ by rounding
            for by in ("key", "user", "tenant", "model", "guard", "digest", "outcome")
        ],
        index.latency(asked),
        index.rules(asked),
        index.policies(),
        [index.facets(name, asked) for name in ("outcome", "user", "rule", "style")],
        list(index.findings(asked)),
        index.findings_in(call.id for call in index.calls(asked)),
        index.decisions(asked),
        index.count_findings(),
        [event.to_dict() for event in index.events(order="oldest")],
        index.taken_in(3, asked, limit=4),
        index.find("0000000"),
    ]


@pytest.mark.parametrize("asked", SOME, ids=str)
def test_the_database_answers_as_the_directory_does(tmp_path: Path, database: str, asked: Filter) -> None:
    """One set of questions, two databases, the same answers."""
    write(tmp_path / "log", 0, 60).close()
    ship(tmp_path / "log", database)

    with Index(tmp_path / "log") as here, ShippedIndex(database) as there:
        here.update()
        assert rounded(answers(there, asked)) == rounded(answers(here, asked))


def test_a_record_is_read_from_the_shipped_bytes(tmp_path: Path, database: str) -> None:
    """`entry` gives the line that was written."""
    write(tmp_path / "log", 0, 10).close()
    ship(tmp_path / "log", database)

    with Index(tmp_path / "log") as here, ShippedIndex(database) as there:
        here.update()
        for mine, other in zip(here.calls(), there.calls(), strict=True):
            assert there.entry(other) == here.entry(mine)


@pytest.mark.parametrize("length", [3_000, 4_096, 300_000])
def test_a_record_of_any_length_is_read_whole(tmp_path: Path, database: str, length: int) -> None:
    """Longer than what is asked for at once, and over the border of two pieces."""
    with AuditLog(tmp_path / "log") as log:
        for number in range(3):
            data = record(number).to_dict(pseudonym=log.pseudonym)
            log.append("call.completed", data["id"], {**data, "held": "x" * length})
    ship(tmp_path / "log", database)

    with ShippedIndex(database) as there:
        read_back = list(there.entries(there.calls(order="oldest")))
    assert read_back == list(read(tmp_path / "log"))


def test_a_record_is_fetched_without_what_is_around_it(tmp_path: Path, database: str) -> None:
    """A sum over a million calls would otherwise fetch a quarter of a megabyte for each of them."""
    write(tmp_path / "log", 0, 200).close()
    ship(tmp_path / "log", database)

    with ShippedIndex(database) as there:
        first, second, *_ = there.calls(order="oldest")
        there.entry(first)
        tracemalloc.start()
        try:
            there.entry(second)
            held = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert sum(path.stat().st_size for path in (tmp_path / "log").glob("streams/*/*")) > 200_000
    assert held < 100_000


def test_what_is_fetched_is_what_was_written(tmp_path: Path, database: str) -> None:
    """Byte for byte, and intact; the keys stayed where they were."""
    root = tmp_path / "log"
    write(root, 0, 40).close()
    shipment = ship(root, database)

    assert fetch(database, tmp_path / "back") == shipment.log
    found = {path.relative_to(tmp_path / "back") for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert {path.parts[0] for path in found} == {"log.json", "registry.jsonl", "streams"}
    for path in found:
        assert (tmp_path / "back" / path).read_bytes() == (root / path).read_bytes()
    report = verify(tmp_path / "back", key=(root / "keys" / "verify.key").read_text())
    assert (report.state, report.key, report.records) == ("intact", "given", verify(root).records)


def test_fetching_and_verifying_hold_a_part_at_a_time(tmp_path: Path, database: str) -> None:
    """Memory does not grow with the log, and progress is told part by part, up to the whole."""
    with AuditLog(tmp_path / "log") as log:
        for _ in range(20):
            log.append("application", "0" * 32, {"held": "x" * 400_000})
    ship(tmp_path / "log", database)
    told: list[tuple[int, int]] = []

    tracemalloc.start()
    try:
        with fetched(database, on_progress=lambda done, total: told.append((done, total))) as back:
            assert verify(back).ok
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert told[-1][0] == told[-1][1] > 8_000_000
    assert len(told) > 30
    assert held < 4_000_000


def test_what_was_said_stays_where_it_is(tmp_path: Path, database: str) -> None:
    """Of sealed originals a database gets the commitment in the signed record, and no box, key or text."""
    root = tmp_path / "log"
    said = (KeptText("input", "user", "correct horse", 0), KeptText("output", "assistant", "battery", 1))
    with write(root, 0, 3, capture="sealed") as log:
        log.sealed(record(9, texts=(("input", "user", "correct [ANIMAL]"),)), said)
    ship(root, database)

    fetch(database, tmp_path / "back")
    (shipped,) = [entry for entry in read(tmp_path / "back") if "content" in entry.data]
    assert set(shipped.data["content"]["original"]) == {"commit", "ref"}
    assert verify(tmp_path / "back", key=(root / "keys" / "verify.key").read_text()).state == "intact"
    with psycopg.connect(database) as connection, ShippedIndex(database) as index:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        held = repr([connection.execute(f'SELECT * FROM "{a}"."{b}"').fetchall() for a, b in tables])  # type: ignore[arg-type]
        assert tables
        assert index.entry(index.find(shipped.id)[0]).data == shipped.data
    for text in ("correct", "battery"):
        assert text not in held


def test_a_fetch_that_ends_early_leaves_nothing(tmp_path: Path, database: str) -> None:
    """A directory with a part of the log would pass for a log that was cut."""
    write(tmp_path / "log", 0, 5).close()
    ship(tmp_path / "log", database)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(database, tmp_path / "back", on_progress=interrupt)
    assert not (tmp_path / "back").exists()


def test_only_what_is_new_is_sent(tmp_path: Path, database: str) -> None:
    """A running log goes up to its newest signature; what follows goes with the next shipment."""
    root = tmp_path / "log"
    log = write(root, 0, 10)
    log.seal()
    first = ship(root, database)
    assert first.sent == first.held
    with fetched(database) as back:
        assert verify(back).state == "intact"
    assert ship(root, database).sent == 0

    log.head()
    for number in range(10, 20):
        log(record(number))
    log.close()
    second = ship(root, database)
    assert second.held == first.held + second.sent
    assert second.waiting == 0
    with fetched(database) as back, ShippedIndex(database) as index:
        assert verify(back).state == "intact"
        assert index.totals().calls == 20


def test_several_logs_share_a_database(tmp_path: Path, database: str) -> None:
    """Each is asked by its name."""
    for name, calls in (("a", 3), ("b", 5)):
        write(tmp_path / name, 0, calls).close()
        ship(tmp_path / name, database)

    with pytest.raises(ConfigError, match="several logs; name one of them: guardrails-lite/"):
        ShippedIndex(database)
    name = str(read_config(tmp_path / "b" / "log.json")["log"])
    for log in (name, name.partition("/")[2][:10]):
        with ShippedIndex(database, log=log) as index:
            assert (index.log, index.totals().calls) == (name, 5)
    with pytest.raises(ConfigError, match="holds no compliance log 'zz'"):
        ShippedIndex(database, log="zz")


@pytest.mark.parametrize("attack", DATABASE, ids=lambda attack: attack.id)
def test_what_the_database_changes_is_found(tmp_path: Path, database: str, attack: DatabaseAttack) -> None:
    """It keeps bytes and is trusted with nothing else."""
    write(tmp_path / "log", 0, 20).close()
    log = ship(tmp_path / "log", database).log
    with psycopg.connect(database) as connection:
        connection.execute(f"SET search_path TO glog_{log[16:]}")
        connection.execute(attack.sql)

    with fetched(database) as back:
        assert verify(back).state == attack.state


def test_a_log_that_was_cut_or_changed_is_not_shipped_over_the_better_copy(
    tmp_path: Path, database: str
) -> None:
    """What the database holds stays, and the shipment says what is wrong."""
    root = tmp_path / "log"
    write(root, 0, 20).close()
    held = ship(root, database).held
    (segment,) = root.glob("streams/*/*.jsonl")
    whole = segment.read_bytes()

    segment.write_bytes(whole[:-300])
    cut = ship(root, database)
    assert (cut.exit_code, cut.sent, cut.held) == (3, 0, held)
    segment.write_bytes(whole.replace(b"call.completed", b"call.complete_"))
    changed = ship(root, database)
    assert (changed.exit_code, changed.sent, changed.held) == (2, 0, held)
    segment.write_bytes(whole)
    assert ship(root, database).exit_code == 0
    with fetched(database) as back:
        assert verify(back).state == "intact"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "UPDATE about SET value = '2' WHERE name = 'store'",
            "shipped by a newer version of guardrails-lite .store 2; this one knows 1",
        ),
        ("DROP TABLE about", "was not made by `log ship`"),
        ("UPDATE about SET value = '0' WHERE name = 'index'", "index was made by another version"),
    ],
)
def test_what_is_of_another_version_or_another_maker_is_named(
    tmp_path: Path, database: str, change: str, message: str
) -> None:
    """Nothing is guessed."""
    write(tmp_path / "log", 0, 2).close()
    log = ship(tmp_path / "log", database).log
    with psycopg.connect(database) as connection:
        connection.execute(f"SET search_path TO glog_{log[16:]}")
        connection.execute(change)

    with pytest.raises(ConfigError, match=message):
        ShippedIndex(database)


def test_an_index_of_another_version_is_built_anew(tmp_path: Path, database: str) -> None:
    """Shipping again is all that is needed."""
    write(tmp_path / "log", 0, 5).close()
    log = ship(tmp_path / "log", database).log
    with psycopg.connect(database) as connection:
        connection.execute(f"UPDATE glog_{log[16:]}.about SET value = '0' WHERE name = 'index'")

    ship(tmp_path / "log", database)
    with ShippedIndex(database) as index:
        assert index.totals().calls == 5


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("DELETE FROM calls", "cannot be answered"),
        ("SELECT 1; DROP TABLE calls", "cannot be answered"),
        ("SELECT nothing FROM calls", "cannot be answered"),
        ("SELECT set_config('transaction_read_only', 'off', true)", "cannot be answered"),
        ("SELECT pg_sleep(60)", "took longer than 0.2 s"),
    ],
)
def test_a_question_can_only_read_and_not_for_long(
    tmp_path: Path, database: str, question: str, message: str
) -> None:
    """And the index can be asked on."""
    write(tmp_path / "log", 0, 3).close()
    ship(tmp_path / "log", database)

    with ShippedIndex(database) as index:
        with pytest.raises(ConfigError, match=message):
            list(index.sql(question, timeout_s=0.2).rows)
        answer = index.sql(
            "SELECT user, offset, '100 %?' FROM calls WHERE outcome <> ? LIMIT 1 offset 0", [""]
        )
        assert answer.columns[:2] == ("user", "offset")
        assert [row[2] for row in answer.rows] == ["100 %?"]
        ((calls,),) = index.sql("SELECT count(*) FROM calls WHERE at > :since", {"since": 0}).rows
        assert calls == 3


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda url: url.replace("postgresql://", "mysql://"),
        lambda url: url.replace(PASSWORD, PASSWORD + "@x"),
        lambda url: url.replace(PASSWORD, PASSWORD + "/x"),
        lambda url: url.replace(PASSWORD, PASSWORD + "%zz"),
        lambda url: url.replace(PASSWORD, PASSWORD + "-wrong"),
        lambda url: url + "?colour=" + PASSWORD,
        lambda url: url.replace("/test_", "/nowhere_"),
        lambda url: url.rpartition(":")[0] + ":1/test",
        lambda url: url,
    ],
)
def test_no_error_shows_the_password(database: str, spoilt: Any) -> None:
    """Whatever is wrong with the URL, the server or the database."""
    with pytest.raises(ConfigError) as caught:
        ShippedIndex(spoilt(database))

    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_command_line_asks_the_database_as_it_asks_a_directory(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--db URL` stands in place of the directory, wherever among the options."""
    root = str(tmp_path / "log")
    write(tmp_path / "log", 0, 20).close()
    assert main(["log", "ship", root, "--db", database]) == 0
    assert "bytes sent" in capsys.readouterr().out
    ident = f"{3:032x}"
    bill = tmp_path / "bill.csv"
    bill.write_text("cost,model\n1.5,m-1\n")
    for action, *rest in (
        ["ls", "--last", "5"],
        ["ls", "--outcome", "blocked", "--json"],
        ["show", ident],
        ["tail", "--once"],
        ["stats"],
        ["latency", "--by", "model"],
        ["spend", "--against", str(bill), "--by", "model"],
        ["rules", "--json"],
        ["grep", "log.closed", "--type", "log.closed"],
        ["sql", "SELECT outcome, count(*) AS calls FROM calls GROUP BY 1 ORDER BY 1"],
    ):
        codes = [main(["log", action, root, *rest])]
        here = capsys.readouterr().out
        codes.append(main(["log", action, "--db", database, *rest]))
        there = capsys.readouterr().out
        codes.append(main(["log", action, *rest, f"--db={database}"]))
        assert (here, there) == (there, capsys.readouterr().out)
        assert codes == [0, 0, 0]
    assert main(["log", "verify", "--db", database, "--processes", "1"]) == 0
    assert capsys.readouterr().out.startswith("intact: ")
    assert main(["log", "fetch", str(tmp_path / "back"), "--db", database]) == 0
    assert main(["log", "fetch", str(tmp_path / "back"), "--db", database]) == 5


def test_the_command_line_says_what_it_cannot_do_with_a_database(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit codes that are documented, and without the password."""
    root = tmp_path / "log"
    assert main(["log", "ls", "--db", database]) == 5
    write(root, 0, 5).close()
    assert main(["log", "ship", str(root), "--db", database]) == 0
    assert main(["log", "ls", "--db", database, "--user", "ada@example.org"]) == 2
    assert main(["log", "sql", "--db", database, "DELETE FROM calls"]) == 2
    assert main(["log", "show", "--db", database, "ffff"]) == 1
    assert main(["log", "ls", "--db", f"{database}-not"]) == 5
    (segment,) = root.glob("streams/*/*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-300])
    assert main(["log", "ship", str(root), "--db", database]) == 3
    said = capsys.readouterr()
    assert "hunter2" not in said.err + said.out
    for part in (
        "holds no compliance log",
        "does not hold the keys",
        "cannot be answered",
        "no call begins",
        "does not exist",
    ):
        assert part in said.err


def test_what_retention_removed_leaves_the_database(tmp_path: Path, database: str) -> None:
    """With the next shipment; what is left is intact, and the index knows of nothing else."""
    time = Time()
    root = tmp_path / "log"
    log = aged(root, time)
    log.seal()
    first = ship(root, database)
    with Index(root) as here:
        here.update()
    assert expire(log, keep_days=180, by="ada")
    log.close()

    second = ship(root, database)
    assert (second.exit_code, second.held < first.held) == (0, True)
    with fetched(database) as back, Index(root) as here, ShippedIndex(database) as there:
        here.update()
        assert verify(back).state == "intact"
        left = [entry.id for entry in read(root)]
        assert [call.id for call in there.calls(order="oldest")] == left
        assert [call.id for call in here.calls(order="oldest")] == left


@pytest.mark.parametrize("arrived", ["whole", "of a log that was put back since"])
def test_a_shipment_that_was_interrupted_is_finished_by_the_next(
    tmp_path: Path, database: str, arrived: str
) -> None:
    """What had arrived does not count before; then it is used, or replaced where it is not the log's."""
    root = tmp_path / "log"
    write(root, 0, 20).close()
    shipment = ship(root, database)
    with psycopg.connect(database) as connection:
        connection.execute(f"SET search_path TO glog_{shipment.log[16:]}")
        connection.execute("DELETE FROM files")
        connection.execute("TRUNCATE calls, checks, attempts, found, tags, events, streams, hours, totals")
        connection.execute("TRUNCATE people, latencies, rules")
        if arrived != "whole":
            connection.execute("UPDATE pieces SET bytes = 'other' WHERE path LIKE 'streams/%'")

    again = ship(root, database)
    assert again.held == shipment.held
    assert (again.sent == 0) == (arrived == "whole")
    with fetched(database) as back, Index(root) as here, ShippedIndex(database) as there:
        here.update()
        assert verify(back).state == "intact"
        assert there.totals() == here.totals()


def test_a_shipper_that_is_killed_leaves_the_database_as_it_was(tmp_path: Path, database: str) -> None:
    """By SIGKILL, between statements and amid tables: the old log or the new one is there, whole."""
    before, after = tmp_path / "before", tmp_path / "after"
    log = write(after, 0, 20)
    log.seal()
    shutil.copytree(after, before)
    for number in range(20, 50):
        log(varied(number))
    log.close()

    command = [sys.executable, "-m", "tests.postgres.kill_loop", str(before), str(after), database]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=240)
    told = [json.loads(line) for line in run.stdout.splitlines()]

    old, new = ({"calls": calls, "listed": calls, "state": "intact"} for calls in (20, 50))
    assert len(told) > 10
    assert [each["mended"] for each in told] == [new] * len(told)
    left = [each["left"] for each in told]
    turned = left.index(new)
    assert left == [old] * turned + [new] * (len(told) - turned)


def test_the_same_log_may_be_shipped_twice_at_once(tmp_path: Path, database: str) -> None:
    """One waits for the other, and then finds nothing to do."""
    root = tmp_path / "log"
    write(root, 0, 30).close()
    with ThreadPoolExecutor(4) as pool:
        shipments = list(pool.map(lambda _: ship(root, database), range(4)))

    assert sorted(bool(shipment.sent) for shipment in shipments) == [False, False, False, True]
    with ShippedIndex(database) as index:
        assert index.totals().calls == 30


def test_a_reviewer_needs_to_read_and_nothing_more(tmp_path: Path, database: str) -> None:
    """A role that may read can ask and verify, and is told that it may not ship."""
    root = tmp_path / "log"
    write(root, 0, 5).close()
    schema = f"glog_{ship(root, database).log[16:]}"
    name = database.rpartition("/")[2]
    url = database.replace("owner:", f"reviewer_{name}:")
    with psycopg.connect(database) as connection:
        connection.execute(f"CREATE ROLE reviewer_{name} LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO reviewer_{name}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reviewer_{name}")
    try:
        with ShippedIndex(url) as index, fetched(url) as back:
            assert len(answers(index, Filter())[0]) == 5
            assert verify(back).state == "intact"
        write(tmp_path / "other", 0, 5).close()
        with pytest.raises(ConfigError, match=r"permission denied .* Grant that to the role"):
            ship(tmp_path / "other", url)
    finally:
        with psycopg.connect(database) as connection:
            connection.execute(f"DROP OWNED BY reviewer_{name}")
            connection.execute(f"DROP ROLE reviewer_{name}")


@pytest.mark.parametrize("state", [*NO_LOG, *DAMAGED])
def test_a_directory_in_any_state_is_shipped_or_refused(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    """Without a traceback, with what is wrong on standard error, and without a change to the directory."""
    root = tmp_path / "log"
    for numbers in (range(10), range(20, 24)):
        with AuditLog(root, checkpoint_every=8, heartbeat_s=None, segment_bytes=6000) as log:
            for number in numbers:
                log.intent(intent(number))
                log(record(number))
    change, why = NO_LOG[state] if state in NO_LOG else (DAMAGED[state], "")
    change(root)
    before = content(root) if root.exists() else None

    code = main(["log", "ship", str(root), "--db", database])

    said = capsys.readouterr().err
    assert code in ((5,) if state in NO_LOG else (0, 2, 3, 5))
    assert why in said
    assert why or "cut short" in said or "not what was written" in said
    assert (content(root) if root.exists() else None) == before
