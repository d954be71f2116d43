"""`gliner`: names, places and whatever else a GLiNER model is asked for, from a folder on this machine.

A GLiNER model finds entities of kinds that it was not trained on: it is told their names with each text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._gliner_folder import GlinerFolder
from guardrails_lite_validators._gliner_run import GlinerModel, Unread
from guardrails_lite_validators._keywords import tuple_of_words
from guardrails_lite_validators._model_folder import LoadedOnce, check_time
from guardrails_lite_validators._spans import outermost

ASKED = {
    "CREDIT_CARD": "credit card number",
    "DATE_TIME": "date",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip address",
    "NRP": "nationality, religious or political group",
    "US_DRIVER_LICENSE": "driver's license number",
    "US_PASSPORT": "passport number",
    "US_SSN": "social security number",
}
"""What a model is asked for, where an entity of Presidio's has another name in everyday words."""


def gliner(
    folder: str | Path,
    /,
    *,
    entities: Iterable[str] | Mapping[str, str] = ("PERSON", "LOCATION", "ORGANIZATION"),
    threshold: float = 0.5,
    file: str | None = None,
    max_chars: int = 100_000,
) -> Validator:
    """Find entities with a GLiNER model.

    The folder holds ``gliner_config.json``, ``tokenizer.json`` and an ONNX export (``model.onnx`` or
    ``onnx/model.onnx``), which the extra ``guardrails-lite-validators[gliner]`` runs without PyTorch; the
    package ``gliner`` writes one. Models that classify spans are run, which most are. Nothing is downloaded.

    The model is loaded when a text is first checked. Under an async guard it runs in a thread; a streamed
    reply is held for it. Findings may overlap, so that a redaction leaves no part of a longer one::

        redact(gliner("models/gliner-pii", entities=["PERSON", "STREET_ADDRESS"]), timeout_s=2)

    Args:
        folder: Where the model is.
        entities: What to find, named as Presidio names it; the model is asked in everyday words
            (``STREET_ADDRESS``: "street address"). A mapping names those words itself:
            ``{"MEDICATION": "name of a drug"}``.
        threshold: The score, from 0 to 1, from which an entity counts.
        file: The ONNX file in the folder, where it has another name: ``"onnx/model_quantized.onnx"``.
        max_chars: How much of a text is read. The rest of a longer one, and a word too long for the model, is
            a finding of category ``NOT_READ``: nothing passes because it was not looked at.

    Raises:
        ConfigError: the folder holds no model that can be run here, or a setting is out of its range.
    """
    model = GlinerFolder.read(folder, file)
    categories = tuple_of_words("gliner", "entities", entities)
    if isinstance(entities, Mapping):
        asked = tuple_of_words("gliner", "entities", list(entities.values()))
    else:
        asked = tuple(ASKED.get(name, name.lower().replace("_", " ")) for name in categories)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of gliner(...) must be from 0 to 1")
    if type(max_chars) is not int or max_chars < 1:
        raise ConfigError(f"max_chars={max_chars!r} of gliner(...) must be a whole number, 1 or more")
    loaded = LoadedOnce(lambda: GlinerModel(model, asked))
    given = {
        "folder": str(folder),
        "entities": dict(entities) if isinstance(entities, Mapping) else list(categories),
        "threshold": threshold,
        "file": file,
        "max_chars": max_chars,
    }
    defaults = {
        "entities": ["PERSON", "LOCATION", "ORGANIZATION"],
        "threshold": 0.5,
        "file": None,
        "max_chars": 100_000,
    }

    @validator(
        name="gliner",
        blocking=True,
        params={name: value for name, value in given.items() if value != defaults.get(name, ...)},
        version=model.digest,
    )
    def find(text: str) -> list[Finding]:
        running = loaded()
        found: list[Finding] = []
        unread = [(max_chars, len(text))] if len(text) > max_chars else []
        for window in running.windows(text[:max_chars]):
            check_time()
            if isinstance(window, Unread):
                unread.append(window)
                continue
            found += [
                Finding(
                    "the model finds an entity",
                    span=(entity.start, entity.end),
                    category=categories[entity.nth],
                    score=round(entity.score, 4),
                )
                for entity in running.entities(window, threshold)
            ]
        return outermost(
            found
            + [Finding("is longer than the model reads", span=span, category="NOT_READ") for span in unread]
        )

    return find
