"""A provider's bill beside the log: what is read of a CSV, and what differs."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from guardrails_lite import (
    AuditLog,
    Budget,
    Cache,
    ConfigError,
    Finding,
    Guard,
    Retry,
    bound,
    target,
    validator,
    warn,
)
from guardrails_lite.audit import Difference, Entry, read, read_bill, reconcile
from guardrails_lite.cli import main
from guardrails_lite.reliability import Price, report_usage
from guardrails_lite.testing import HttpReply, LoopbackServer, ScriptedModel, completion

HEAD = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,"
    "line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name\n"
)
DAY = 1_790_553_600
"""28 September 2026, in seconds."""


def row(amount: str, *, item: str = "", key: str = "", project: str = "", day: int = 0) -> str:
    """A row of OpenAI's cost export."""
    start = DAY + day * 86_400
    iso = datetime.fromtimestamp(start, UTC).isoformat()
    return f'{start},{start + 86_400},{iso},,{amount},usd,,,"{item}",,{key},{project},org-1,,\n'


COSTS = {"amount": "Was es kostet"}
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file with this in it."""

    def written(content: str | bytes) -> Path:
        path = tmp_path / "bill.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def amounts(path: Path, **asked: Any) -> dict[str, float]:
    return {name: float(amount) for name, amount in read_bill(path, **asked).amounts.items()}


def test_openais_cost_export_is_read_as_it_is(write: Write) -> None:
    """Days without cost are empty rows; models are without what is billed of them, and without their date."""
    path = write(
        HEAD
        + row("", day=-1)
        + row(
            "0.003835980000000000000000000000", item="gpt-5-nano-2025-08-07, input", key="key_1", project="p1"
        )
        + row("0.5", item="gpt-5-nano-2025-08-07, output", key="key_2", project="p1")
        + row("1", item="gpt-4o-mini, cached input", key="key_2", day=1)
    )
    assert amounts(path) == {"2026-09-28": 0.50383598, "2026-09-29": 1.0}
    assert amounts(path, by="model") == {"gpt-5-nano": 0.50383598, "gpt-4o-mini": 1.0}
    assert amounts(path, by="key") == {"key_1": 0.00383598, "key_2": 1.5}
    assert amounts(path, by="project") == {"p1": 0.50383598, "": 1.0}
    bill = read_bill(path)
    assert (bill.rows, bill.empty, bill.first, bill.last) == (3, 1, date(2026, 9, 28), date(2026, 9, 29))
    assert (bill.columns["amount"], bill.columns["day"]) == ("amount_value", "start_time_iso")


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        ("\ufeffdate,cost\n2026-09-28,1.5\n", {}),
        ('sep=;\n"Date";"Cost"\n2026-09-28;"1,5"\n\n', {}),
        ("date\tcost\n2026-09-28T23:59:59Z\t$1.50\n", {}),
        ("date|cost\n1790553600|US$ 1.50\n", {}),
        ("date,cost\n2026-09-29T01:00:00+02:00,USD 1.5\n", {}),
        ("date;cost\n2026-09-28;(0,5)\n2026-09-28;2,0\n", {}),
        ("date,cost,note\n2026-09-28,'1.5,=cmd|' /C calc'!A0\n", {}),
        (
            "day ; was kostet das\n2026-09-28;1.500,00\n2026-09-28;-1.498,5\n",
            {"columns": {"amount": "Was kostet das"}},
        ),
        ('date,cost\n2026-09-28,"1,500"\n', {"decimal": "comma"}),
        ("date;cost\n2026-09-28;1.500\n", {"decimal": "point"}),
        ("date,cost\n2026-09-28,15e-1\n".encode("utf-16"), {}),
        ("date,cost,côté\n2026-09-28,1.5,é\n".encode("cp1252"), {"encoding": "cp1252"}),
        ('date,cost,note\n2026-09-28,1.5,"two\nlines"\n', {}),
    ],
)
def test_what_tables_are_written_like(write: Write, content: str | bytes, asked: Any) -> None:
    """Byte order marks, delimiters, signs, brackets, decimal commas, zones: all of these say the same."""
    assert amounts(write(content), **asked) == {"2026-09-28": 1.5}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('date,cost\n2026-09-28,"1,500"\n', r"bill.csv:2: the amount '1,500' could be thousands .*"),
        ("date;cost\n2026-09-28;1.500\n", "could be thousands"),
        ("date,cost\n2026-09-28,1.5\n2026-09-29,1.2.3\n", "bill.csv:3: the amount '1.2.3' is not an amount"),
        ("date,cost\n2026-09-28,1e400\n", "is not an amount"),
        ("date,cost\n2026-09-28,nan\n", "is not an amount"),
        ("date,cost\n2026-09-28,=1+1\n", "is not an amount"),
        ("date,cost\n2026-09-28,€ 1.50\n", "is in €, and a log counts US dollars"),
        ("date,cost,currency\n2026-09-28,1.5,EUR\n", "is in EUR"),
        ("date,cost\n09/28/2026,1.5\n", "the day '09/28/2026' is not a day; expected one such as 2026-11-25"),
        ("date,cost\nTotal,1.5\n", "is not a day"),
        ("date,cost\n99999999999,1.5\n", None),
        ("date,cost\n2026-09-28\n", "bill.csv:2 has 1 columns but no amount; remove sums"),
        (
            "when,what\n",
            "no column that is known for the amount; it has 'when', 'what'. Say --column amount=NAME",
        ),
        ("", "no column that is known for the amount; it has no head"),
        (b"date,cost\n\xff\xfa,1\n", r"is not UTF-8; .*--encoding"),
        ("date,cost\n2026-09-28,1.5," + "x" * 1_000_001, "more than 1,000,000 characters"),
        ("date,cost\n2026-09-28,1.5," + "x" * 200_000, "bill.csv:2 is not a line of a CSV"),
        (b"\0" * 100, "no column"),
    ],
)
def test_what_cannot_be_read_is_said(write: Write, content: str | bytes, says: str | None) -> None:
    """With the line, what was expected and what to say; never a guess, never a traceback."""
    if says is None:
        assert list(read_bill(write(content)).amounts) == ["5138-11-16"]
        return
    with pytest.raises(ConfigError, match=says):
        read_bill(write(content))


def test_what_is_asked_for_has_to_be_there(write: Write) -> None:
    path = write(HEAD + row("1", project="p1"))
    with pytest.raises(ConfigError, match="is not split by model: its column 'line_item' is empty"):
        read_bill(path, by="model")
    with pytest.raises(ConfigError, match="no column 'price'"):
        read_bill(path, columns={"amount": "price"})
    with pytest.raises(ConfigError, match="columns= has 'cost'; expected amount"):
        read_bill(path, columns={"cost": "amount_value"})
    with pytest.raises(ConfigError, match="encoding='klingon' is not"):
        read_bill(path, encoding="klingon")


def test_a_file_of_any_size_is_read_in_little_memory(write: Write) -> None:
    path = write(HEAD + row("0.25", item="gpt-5", key="key_1") * 20_000)
    tracemalloc.start()
    try:
        assert amounts(path) == {"2026-09-28": 5000.0}
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


PRICES = {"small": Price(10, 10), "large": Price(1000, 1000)}
USED = {"usage": (900, 100)}
"""At these prices a cent with the small model, a dollar with the large one."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of today: models with and without a price, failures, a broken reply, a cached one, a judge."""

    @validator(blocking=True)
    def judge(text: str) -> list[Finding]:
        report_usage({"prompt_tokens": 1, "completion_tokens": 1}, cost_usd=0.5)
        return []

    settings: dict[str, Any] = {"budget": Budget(prices=PRICES), "retry": Retry(attempts=2, wait=0)}
    settings["log"] = log = AuditLog(tmp_path / "log")
    guard = Guard(**settings, fallback=[target(model="large")])
    for project, replies, model in (
        ("p1", [completion("a", model="small", **USED)], "small-2026-01-01"),
        ("p2", [ConnectionError(), completion("b", model="small", **USED)], "small"),
        ("p2", [ConnectionError(), ConnectionError(), completion("c", model="large", **USED)], "small"),
        ("p1", [completion("d", model="unknown", **USED)], "unknown"),
    ):
        with bound(project=project, api_key=f"sk-{project}"):
            guard.run(ScriptedModel(replies), [{"role": "user", "content": "hi"}], model=model)
    with bound(project="p1", api_key="sk-p1"):
        Guard(**settings, input=[warn(judge)]).run(ScriptedModel(["e"]), "hi", model="small")
    replies = [HttpReply("Cut short.", cut_after=20), completion("Whole.", model="small", **USED)]
    with LoopbackServer(replies) as server, bound(project="p1"):
        client = OpenAI(base_url=server.base_url, api_key="sk-p1", max_retries=0)
        with Guard(**settings, cache=Cache()).wrap(client) as guarded:
            for _ in range(2):
                guarded.chat.completions.create(model="small", messages=[{"role": "user", "content": "hi"}])
    log.close()
    return tmp_path / "log"


def bill_of(write: Write, **costs: float) -> Path:
    """A bill of today by model."""
    today = datetime.now(UTC).date()
    return write("date,cost,model\n" + "".join(f"{today},{usd},{name}\n" for name, usd in costs.items()))


def test_ours_beside_theirs(log: Path, write: Write) -> None:
    """By the models that were sent to, fallbacks too; what is unpriced, estimated or cached is counted."""
    bill = read_bill(bill_of(write, small=0.05, large=1, gone=2), by="model")
    found = reconcile(bill, read(log))
    told = {each.name: each for each in found.differences}
    assert told["large"] == Difference("large", 1.0, 1.0, calls=1, unpriced=0, estimated=0, cached=0)
    assert told["small"] == Difference("small", 0.05, 0.03006, calls=5, unpriced=0, estimated=5, cached=1)
    assert told["unknown"] == Difference("unknown", 0.0, 0.0, calls=1, unpriced=1, estimated=0, cached=0)
    assert told["(checks)"] == Difference("(checks)", 0.0, 0.5, calls=0, unpriced=0, estimated=0, cached=0)
    assert [each.name for each in found.differences] == ["gone", "(checks)", "small", "large", "unknown"]
    assert found.total == Difference("total", 3.05, 1.53006, calls=6, unpriced=1, estimated=5, cached=1)
    assert (told["small"].difference_usd, told["small"].share) == (-0.01994, pytest.approx(0.3988))
    assert [each.name for each in found.over(0.4)] == ["gone", "(checks)", "total"]


def test_less_than_a_cent_is_no_difference() -> None:
    """A bill is rounded; what is nothing there and something here is more than any share."""
    counts = {"calls": 1, "unpriced": 0, "estimated": 0, "cached": 0}
    assert not Difference("a", 0.0, 0.009, **counts).is_over(0.0)
    nothing = Difference("a", 0.0, 0.02, **counts)
    assert nothing.is_over(1.0)
    assert nothing.to_dict()["share"] is None


def test_forged_records_break_nothing(write: Write) -> None:
    """A log that a stranger wrote has fields of any shape."""
    bill = read_bill(bill_of(write, small=1), by="model")
    shapes: list[dict[str, Any]] = [
        {"attempts": 3, "notes": {}, "who": [], "checks_cost_usd": "much"},
        {"attempts": [{"model": [], "cost_usd": {}, "usage": "x"}], "started": "now"},
        {"attempts": [{"cost_usd": float("nan")}, None], "notes": [{"what": "cached"}, 1], "model": 7},
    ]
    entries = [Entry("s", n, "call.completed", "a", 0, 0, data) for n, data in enumerate(shapes)]
    for by in ("day", "model", "key", "project"):
        found = reconcile(replace(bill, by=by), entries)  # type: ignore[arg-type]  # one of four
        assert (found.total.ours_usd, found.total.cached) == (0.0, 1)


def test_on_the_command_line(log: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """By day, unless another is asked for; 1 where more than what is allowed differs."""
    path = bill_of(write, small=0.05, large=1, gone=2)
    asked = ["log", "spend", str(log), "--against", str(path)]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    head, today, total = (line.split() for line in printed.splitlines()[:3])
    assert (head[0], today[0], total[0]) == ("day", str(datetime.now(UTC).date()), "total")
    assert today[1:] == total[1:] == ["3.050000", "1.530060", "-1.519940", "49.83%", *"6151"]
    assert "bill: 3 rows with an amount, 0 without; amount from 'cost', day from 'date'" in printed
    assert main([*asked, "--by", "model", "--allow", "0.4"]) == 1
    assert "over 40.00%: gone, (checks), total" in capsys.readouterr().out
    assert main([*asked, "--allow", "0.5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["total"]["ours_usd"], told["over"], told["columns"]["day"]) == (1.53006, [], "date")


def test_names_of_theirs_are_said(log: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A key is known by a pseudonym here, and by an id of its own there."""
    today = int(datetime.now(UTC).timestamp())
    rows = f"{today},0.52,key_1,p1\n{today},1.01,key_2,x\n"
    path = write(f"start_time,amount_value,api_key_id,project_id\n{rows}")
    asked = ["log", "spend", str(log), "--against", str(path), "--json", "--by"]
    assert main([*asked, "key", "--same", "key_1=sk-p1", "--same", "key_2=sk-p2"]) == 0
    told = {one["name"]: one["ours_usd"] for one in json.loads(capsys.readouterr().out)["differences"]}
    assert told == {"key_1": 0.52003, "key_2": 1.01003}
    assert main([*asked, "project", "--same", "x=p2", "--allow", "0.01"]) == 0
    assert main([*asked, "project", "--column", "project=api_key_id", "--allow", "0.01"]) == 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--by", "day"], 2, "go with --against"),
        (["--allow", "0.1"], 2, "go with --against"),
        (["--against", "BILL", "--by", "user"], 2, "not by user"),
        (["--against", "BILL", "--until", "2h"], 2, "leave --since and --until out"),  # at any hour
        (["--against", "NONE"], 5, "cannot be read (No such file or directory)"),
        (["--against", "BILL", "--by", "project"], 5, "no column that is known for the project"),
    ],
)
def test_what_cannot_be_asked(
    log: Path, write: Write, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    names = {"BILL": str(bill_of(write, small=1)), "NONE": str(log / "none.csv")}
    assert main(["log", "spend", str(log), *(names.get(each, each) for each in options)]) == code
    assert says in capsys.readouterr().err
