"""Every snippet of the README and the docs runs, in order, page by page.

A page is one story: its snippets share names, a folder of their own, and a scripted model behind
``OPENAI_BASE_URL``. What a fence says after its language decides what happens to it:

===========================  =====================================================================
``python``                   runs
``python raises=Blocked``    runs, and must end in that exception
``python file=app.py``       is written to that file, as any fence with a ``file=`` is
``console``                  each line after ``$`` runs in a shell; the lines below it are its output
``console exit=1``           … and the last one must end with that code
``text output``              what the snippet before it prints; ``...`` stands for anything
``sh``                       is for a reader's own machine (`.ci/run` runs the README's two)
===========================  =====================================================================

The replies of the model stand in a comment, invisible to a reader: ``<!-- model: "Hello." -->`` holds a
JSON value, or several in a list: texts, completions, or a number for an error status. A page that begins
with ``<!-- needs: langchain_openai -->`` is skipped where such a module is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite.testing import HttpReply, LoopbackServer, Request

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]

NEEDS = re.compile(r"<!-- needs: (?P<modules>[\w. ]+) -->\n")
FENCE = re.compile(
    r"^<!-- model: (?P<model>.*?) -->$|^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fence of a page, or the replies for those after it."""

    line: int
    language: str
    options: dict[str, str]
    body: str


@dataclass(slots=True)
class Page:
    """Where the snippets of one page run."""

    path: Path
    module: types.ModuleType
    replies: deque[Any] = field(default_factory=deque)
    printed: str = ""

    def reply(self, request: Request) -> Any:
        """The next of the replies that the page announced."""
        if not self.replies:
            return HttpReply.error(400, code="script_exhausted", message="the page announced no more replies")
        reply = self.replies.popleft()
        return HttpReply.error(reply) if isinstance(reply, int) else reply


Run = Callable[[Path], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the snippets of a page, one after the other, in an empty folder."""

    def run_page(path: Path) -> None:
        page = Page(path, types.ModuleType("page"))
        with LoopbackServer(then=page.reply) as server:
            monkeypatch.setitem(sys.modules, "page", page.module)
            monkeypatch.chdir(tmp_path)
            monkeypatch.syspath_prepend(str(tmp_path))
            for name, value in _environment(tmp_path, server.base_url).items():
                monkeypatch.setenv(name, value)

            for snippet in snippets(path.read_text()):
                _try(page, snippet, capsys)

    return run_page


@pytest.mark.parametrize("path", PAGES, ids=IDS)
def test_snippets_run_and_print_what_the_page_says(path: Path, run: Run) -> None:
    """A reader who types the page gets what the page shows."""
    needs = NEEDS.match(path.read_text())
    for module in needs["modules"].split() if needs else ():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            pytest.skip(f"the page needs {module}")
    run(path)


@pytest.mark.parametrize(
    "lie",
    [
        "```python\n1 / 0\n```",
        "```python raises=KeyError\n1 / 0\n```",
        "```python raises=KeyError\npass\n```",
        "```python\nprint(1)\n```\n```text output\n2\n```",
        "```python\nprint(1)\n```\n```text output\n1...2\n```",
        "```console\n$ echo 1\n2\n```",
        "```console\n$ false\n```",
        "```console exit=2\n$ true\n```",
    ],
)
def test_a_page_that_lies_is_noticed(lie: str, run: Run, tmp_path: Path) -> None:
    """A snippet that ends or prints otherwise than its page says fails."""
    page = tmp_path / "page.md"
    page.write_text(lie)

    with pytest.raises((AssertionError, ZeroDivisionError)):
        run(page)


def snippets(text: str) -> Iterator[Snippet]:
    """The fences and the replies of a page, in order."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["model"] is not None:
            yield Snippet(line, "model", {}, match["model"])
            continue
        language, *words = match["info"].split() or [""]
        options = dict(word.partition("=")[::2] for word in words)
        yield Snippet(line + 1, language, options, match["body"])


def _try(page: Page, snippet: Snippet, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"{page.path.name}:{snippet.line}"
    match snippet:
        case Snippet(language="model", body=body):
            replies = json.loads(body)
            page.replies.extend(replies if isinstance(replies, list) else [replies])
        case Snippet(options={"file": name}, body=body):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(body)
            if name.endswith("pyproject.toml"):
                _announce(tomllib.loads(body)["project"])
        case Snippet(language="python"):
            _run(page, snippet, where)
            page.printed = capsys.readouterr().out
        case Snippet(language="console"):
            _shell(snippet, where)
        case Snippet(language="text", options={"output": _}, body=expected):
            assert _matches(expected, page.printed), f"{where}: printed\n{page.printed}"


def _run(page: Page, snippet: Snippet, where: str) -> None:
    source = "\n" * (snippet.line - 1) + snippet.body  # so that a traceback names the line of the page
    code = compile(source, str(page.path), "exec", dont_inherit=True)
    expected = snippet.options.get("raises")
    try:
        exec(code, page.module.__dict__)
    except Exception as error:
        if type(error).__name__ != expected:
            raise
    else:
        assert expected is None, f"{where}: nothing was raised, expected {expected}"


def _shell(snippet: Snippet, where: str) -> None:
    commands = re.split(r"^\$ ", snippet.body, flags=re.MULTILINE)[1:]
    for number, text in enumerate(commands, 1):
        command, _, expected = text.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = f"{command}\n{more}"
        ran = subprocess.run(
            ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
        )
        code = int(snippet.options.get("exit", "0")) if number == len(commands) else 0
        assert ran.returncode == code, f"{where}: `{command}` ended with {ran.returncode}:\n{ran.stdout}"
        if expected.strip():
            assert _matches(expected, ran.stdout), f"{where}: `{command}` printed\n{ran.stdout}"


def _matches(expected: str, printed: str) -> bool:
    """Whether *printed* is as *expected*, where ``...`` stands for anything."""
    wanted, got = (
        "\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (expected, printed)
    )
    pattern = ".*?".join(re.escape(part) for part in wanted.split("..."))
    return re.fullmatch(pattern, got, re.DOTALL) is not None


def _environment(folder: Path, base_url: str) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": "sk-scripted",
        "OPENAI_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": "sk-scripted",
        "ANTHROPIC_BASE_URL": base_url.removesuffix("/v1"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
    }


def _announce(project: dict[str, object]) -> None:
    """Do what `pip install` would do for a plug-in that lies in this folder: announce its entry points."""
    info = Path(f"{str(project['name']).replace('-', '_')}-{project['version']}.dist-info")
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project.get("entry-points", {})
    assert isinstance(points, dict)
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in points.items()
        )
    )


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link names a file that exists, and a heading in it where it names one."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text())
        if not _leads_somewhere(page, target)
    ]

    assert broken == []


def _leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    if not anchor or file.suffix != ".md" or not file.exists():
        return file.exists()
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    """`docs/index.md` leads to each page."""
    index = (ROOT / "docs" / "index.md").read_text()
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).as_posix() for page in PAGES[1:]} - {"index.md"}

    assert {page for page in pages if f"]({page})" not in index} == set()


def test_the_readme_quotes_the_rates_of_the_cards() -> None:
    """A rate that is measured anew is changed in both places."""
    cards = (ROOT / "docs" / "reference" / "detectors.md").read_text()
    quoted = re.findall(r"(?<!\d)\.\d{3}\b", PAGES[0].read_text())

    assert quoted
    assert [rate for rate in quoted if rate not in cards] == []


def test_the_readme_has_the_two_commands() -> None:
    """One line runs the demo, one the tests; `.ci/run` takes both from here."""
    blocks = [snippet.body for snippet in snippets(PAGES[0].read_text()) if snippet.language == "sh"]
    demo, tests = "".join(blocks).splitlines()[:2]

    assert demo.endswith("guardrails-lite demo")
    assert "/pytest" in tests
