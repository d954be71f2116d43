"""`presidio`: Presidio's analyzer offline, with and without a model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from guardrails_lite import ConfigError
from guardrails_lite_validators import presidio

pytest.importorskip("presidio_analyzer", reason="the extra guardrails-lite-validators[pii] is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # spaCy's own, on import

TEXT = "mail bob@example.com, card 4111111111111111, ssn 536-22-1234"


def test_it_finds_without_a_model_and_opens_no_socket() -> None:
    """Not even for the first e-mail address, whose suffix list Presidio would fetch."""
    code = (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event.startswith('socket.'): raise RuntimeError(event)\n"
        "sys.addaudithook(hook)\n"
        "from guardrails_lite_validators import presidio\n"
        f"found = presidio()({TEXT!r})\n"
        "print(sorted((f.category, f.score) for f in found))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )

    assert "('EMAIL_ADDRESS', 1.0)" in done.stdout
    assert "('CREDIT_CARD', 1.0)" in done.stdout
    assert "('US_SSN', 0.85)" in done.stdout  # 0.5 by its form, more by the word before it


def test_making_it_loads_nothing() -> None:
    """Presidio takes a second to import; that is paid when a text is first checked."""
    code = (
        "import sys\nfrom guardrails_lite_validators import presidio\npresidio()\n"
        "print('presidio_analyzer' in sys.modules, 'spacy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]


def test_what_a_piece_boundary_cuts_is_found_whole() -> None:
    """Long texts are analysed in pieces that overlap, and spans count from the start of the text."""
    text = "word " * 790 + TEXT + " word" * 900
    found = presidio(entities=["EMAIL_ADDRESS", "CREDIT_CARD"])(text)

    assert {text[slice(*f.span)] for f in found if f.span} == {"bob@example.com", "4111111111111111"}
    assert len(found) == 2


def test_a_users_spacy_model_finds_names(tmp_path: object) -> None:
    """With a model, its entities come too; here a tiny one that knows a single name."""
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class TinyEngine(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__()
            pipeline = spacy.blank("en")
            ruler = pipeline.add_pipe("entity_ruler")
            ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}])
            self.nlp = {"en": pipeline}

    found = presidio(nlp=TinyEngine(), entities=["PERSON"])("I met Ada Lovelace in May.")

    assert [(f.category, f.span) for f in found] == [("PERSON", (6, 18))]


def test_lone_surrogates_do_not_break_it() -> None:
    """spaCy cannot encode them."""
    assert [f.category for f in presidio(entities=["EMAIL_ADDRESS"])("\ud800 bob@example.com")] == [
        "EMAIL_ADDRESS"
    ]


def test_a_model_that_is_not_installed_is_refused_when_the_validator_is_made() -> None:
    """Nothing is downloaded; the error says how to get it."""
    with pytest.raises(ConfigError, match="no such spaCy model is installed"):
        presidio(nlp="en_core_web_nowhere")
    with pytest.raises(ConfigError, match="must be from 0 to 1"):
        presidio(threshold=2)
