"""The public names: complete, sorted, documented."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args, get_origin

import pytest

import guardrails_lite
from guardrails_lite._errors import OutcomeName
from guardrails_lite._rules import Verb

DOCS = Path(__file__).parent.parent / "docs"
REFERENCE = "\n".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))
MODULES = [
    "guardrails_lite",
    "guardrails_lite.audit",
    "guardrails_lite.audit.alerts",
    "guardrails_lite.audit.export",
    "guardrails_lite.audit.index",
    "guardrails_lite.audit.postgres",
    "guardrails_lite.evaluation",
    "guardrails_lite.reliability",
    "guardrails_lite.review",
    "guardrails_lite.testing",
    "guardrails_lite.testing.faults",
    "guardrails_lite.testing.kit",
    "guardrails_lite_validators",
]


def _names() -> list[tuple[str, str]]:
    return [(module, name) for module in MODULES for name in importlib.import_module(module).__all__]


@pytest.mark.parametrize("module", MODULES)
def test_all_is_complete_sorted_and_what_dir_shows(module: str) -> None:
    """`__all__` holds exactly the public names, in order, and completion in a shell offers them."""
    package = importlib.import_module(module)
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }

    assert list(package.__all__) == sorted(package.__all__, key=_constants_then_classes_then_functions)
    assert public - {"TYPE_CHECKING", "Any", "import_module"} <= set(package.__all__)
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize(("module", "name"), _names())
def test_a_public_name_loads_and_is_in_the_reference(module: str, name: str) -> None:
    """A public name says what it does, and `docs/reference/` lists it as code."""
    value = getattr(importlib.import_module(module), name)

    documented = getattr(value, "__doc__", None) or get_origin(value) is Literal
    assert name == "__version__" or documented or not callable(value)
    assert _is_listed(name), f"docs/reference/ does not mention `{name}`"


@pytest.mark.parametrize("word", [*get_args(OutcomeName), *get_args(Verb)])
def test_each_word_of_a_closed_set_is_in_the_reference(word: str) -> None:
    """Outcomes and verbs are read in records, so each is explained."""
    assert _is_listed(word)


@pytest.mark.parametrize("group", ["guardrails_lite.validators"])
def test_each_entry_point_loads_and_is_in_the_reference(group: str) -> None:
    """What a guard in TOML can name exists and is explained."""
    ours = [point for point in entry_points(group=group) if point.value.startswith("guardrails_lite_")]

    assert ours
    for point in ours:
        assert callable(point.load())
        assert _is_listed(point.name)


def test_each_argument_of_a_validator_is_in_the_reference() -> None:
    """What a guard in a file can set stands in the row of its validator."""
    _, table = (DOCS / "reference" / "validators.md").read_text().split("## Arguments")
    for point in entry_points(group="guardrails_lite.validators"):
        if point.value.startswith("guardrails_lite_"):
            (row,) = re.findall(rf"^\| .*`{point.name}`.* \| (.*) \|$", table, re.MULTILINE)
            for argument in inspect.signature(point.load()).parameters:
                assert f"`{argument}`" in row, point.name


def test_the_version_is_that_of_the_distribution() -> None:
    """`guardrails_lite.__version__` names what is installed."""
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", guardrails_lite.__version__)


def _constants_then_classes_then_functions(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), not name[0].isupper(), name


def _is_listed(name: str) -> bool:
    return re.search(rf"`[^`\n]*(?<!\w){re.escape(name)}(?!\w)[^`\n]*`", REFERENCE) is not None
