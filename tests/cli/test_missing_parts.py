"""Commands whose optional parts are not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from guardrails_lite import ConfigError, Guard, MissingPackage
from guardrails_lite.audit import AuditLog, read
from guardrails_lite.cli import main

_YAML = ("yaml", "pyyaml", "'guardrails-lite[yaml]'")
_VALIDATORS = ("guardrails_lite_validators", "guardrails-lite-validators", "guardrails-lite-validators")
_SQL = ("sqlglot", "sqlglot", "'guardrails-lite-validators[sql]'")
_PSYCOPG = ("psycopg", "psycopg[binary]", "'guardrails-lite[postgres]'")
_ED25519 = "cryptography.hazmat.primitives.asymmetric.ed25519"
_CRYPTOGRAPHY = (_ED25519, "cryptography", "'guardrails-lite[audit]'")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is signed with Ed25519, and guards that ask for what may be missing."""
    AuditLog(tmp_path / "audit", signing="ed25519").close()
    (tmp_path / "guard.yaml").write_text("name: support\n")
    (tmp_path / "sql.toml").write_text('[[output]]\nblock = "sql"\n')
    (tmp_path / "redis.toml").write_text(
        '[upstream]\nname = "provider"\nstore = {url = "redis://localhost"}\n'
    )
    (tmp_path / "examples.jsonl").write_text('{"text": "Hello", "label": 0}\n')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        (_VALIDATORS, "demo"),
        (("openai", "openai", "openai"), "demo"),
        (("openai", "openai", "openai"), "faults H01"),
        (_YAML, "check guard.yaml"),
        (_YAML, "scan examples.jsonl --guard guard.yaml"),
        (_YAML, "eval examples.jsonl --guard guard.yaml"),
        (_YAML, "faults H01 --guard guard.yaml"),
        (("redis", "redis", "'guardrails-lite[redis]'"), "check redis.toml"),
        (_SQL, "check sql.toml"),
        (_SQL, "check sql.toml --json"),
        (_SQL, "scan examples.jsonl --validators sql"),
        (_SQL, "eval examples.jsonl --validators sql"),
        (_YAML, "log replay audit guard.yaml --reader ada --reason why"),
        (_YAML, "log diff-policy audit guard.yaml --reader ada --reason why"),
        (_YAML, "log alerts audit --once"),
        (
            ("pyarrow", "pyarrow", "'guardrails-lite[parquet]'"),
            "log export audit --format parquet --output it",
        ),
        (_PSYCOPG, "log ship audit --db postgresql://localhost/none"),
        (_PSYCOPG, "log ls --db postgresql://localhost/none"),
        (_CRYPTOGRAPHY, "log hold audit ada --owner ada --reason why"),
        (("jinja2", "jinja2", "'guardrails-lite[review]'"), "review audit"),
        (("starlette", "starlette", "'guardrails-lite[review]'"), "review audit"),
        (("uvicorn", "uvicorn", "'guardrails-lite[review]'"), "review audit"),
        (_PSYCOPG, "review --db postgresql://localhost/none"),
    ],
)
def test_every_command_names_what_is_missing_and_what_brings_it(
    missing: tuple[str, str, str],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence, one exit code, which is none of those by which a log is judged."""
    module, package, install = missing
    monkeypatch.setitem(sys.modules, module, None)

    assert main(command.split()) == 5
    told = capsys.readouterr()
    line = told.out if "--json" in command else told.err
    assert f"needs {package}, which is not installed: pip install {install}" in line
    assert told.out == "" or "--json" in command


@pytest.mark.parametrize("action", ["reveal", "replay"])
def test_kept_texts_in_a_log_that_is_signed_without_cryptography_need_it(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a log can be written to without it, so it is the texts that say so."""
    with AuditLog("kept", signing="hmac-sha256", capture="redacted") as log:
        Guard(log=log).run(lambda messages: "fine", [{"role": "user", "content": "hello"}])
    (call,) = (entry.id for entry in read("kept", kind="call.completed"))
    Path("guard.toml").write_text('name = "support"\n')
    monkeypatch.setitem(sys.modules, _ED25519, None)

    what = call if action == "reveal" else "guard.toml"
    assert main(["log", action, "kept", what, "--reader", "ada", "--reason", "why"]) == 5
    said = capsys.readouterr().err
    assert "opening kept texts needs cryptography, which is not installed: pip install" in said


@pytest.mark.parametrize("when", ["imported", "made"])
@pytest.mark.parametrize("command", ["check it.toml", "faults H20 --guard it.toml", "scan - --guard it.toml"])
def test_a_broken_import_of_a_plug_in_is_told_as_what_it_is(
    command: str,
    when: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Law: no other package is blamed for a module that somebody's own code cannot import."""
    missing = "import module_that_nobody_has"
    (tmp_path / f"plug_in_{when}.py").write_text(
        f"{missing}\n" if when == "imported" else f"def named():\n    {missing}\n"
    )
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[guardrails_lite.validators]\nbroken = plug_in_{when}:named\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("it.toml").write_text('[[output]]\nblock = "broken"\n')

    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert "'broken'" in told
    assert f"cannot be {when}: ModuleNotFoundError: No module named" in told
    assert "module_that_nobody_has" in told
    assert "openai" not in told
    assert "pip install" not in told


def test_a_broken_openai_is_not_a_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: what an installed package cannot import is raised as it is."""
    (tmp_path / "openai.py").write_text("import module_that_nobody_has\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "openai"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ModuleNotFoundError, match="module_that_nobody_has"):
        main(["faults", "H20", "--way", "sync"])


def test_it_is_a_config_error() -> None:
    """Whoever catches what a guard cannot be built from catches this too."""
    error = MissingPackage.needed_by("it", "one", "two", install="all[both]")
    assert isinstance(error, ConfigError)
    assert str(error) == "it needs one and two, which are not installed: pip install 'all[both]'"
