"""`classifier`: any text classifier of Hugging Face, from a folder on this machine.

A model reads some hundred tokens at a time, so a text is classified window by window, each overlapping the
one before: what a border cuts in two, the next window holds whole. A window whose label reaches its
threshold is a finding, with the window as its span. What is not read at all is a finding too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._classifier_folder import USUAL_TOKENS, ClassifierFolder
from guardrails_lite_validators._classifier_run import Run, runner
from guardrails_lite_validators._classifier_windows import Windows
from guardrails_lite_validators._keywords import tuple_of_words
from guardrails_lite_validators._model_folder import LoadedOnce, check_time

BATCH = 8


def classifier(
    folder: str | Path,
    /,
    *,
    labels: Iterable[str] | Mapping[str, float],
    threshold: float = 0.5,
    file: str | None = None,
    max_tokens: int | None = None,
    overlap: int = 64,
    max_chars: int = 100_000,
) -> Validator:
    """Find texts to which a classifier gives one of *labels*.

    The folder holds ``config.json``, ``tokenizer.json`` and an ONNX export (``model.onnx`` or
    ``onnx/model.onnx``), which the extra ``guardrails-lite-validators[classifier]`` runs; or, without an
    export, ``model.safetensors``, which an installed ``transformers`` with PyTorch runs. Pickled weights
    (``.bin``) and code that lies beside a model are never run, and nothing is downloaded.

    The model is loaded when a text is first checked. Under an async guard it runs in a thread; a streamed
    reply is held for it. With `timeout_s` on the rule it stops after the windows at hand::

        block(classifier("models/prompt-guard", labels=["MALICIOUS"], threshold=0.9), timeout_s=2)

    Args:
        folder: Where the model is.
        labels: Which labels are findings, as the model's ``id2label`` names them; or each with a threshold
            of its own: ``{"TOXIC": 0.8, "THREAT": 0.4}``.
        threshold: The probability, from 0 to 1, from which a label counts.
        file: The ONNX file in the folder, where it has another name: ``"onnx/model_quantized.onnx"``.
        max_tokens: The most tokens in a window; default: 512, or what the model takes if that is less.
        overlap: How many tokens a window shares with the one before; at most half of a window.
        max_chars: How much of a text is read. The rest of a longer one is a finding of category
            ``NOT_READ``: nothing passes because it was not looked at.

    Raises:
        ConfigError: the folder holds no classifier that can be run here, a label that the model does not
            have, or a setting out of its range.
    """
    model = ClassifierFolder.read(folder, file)
    wanted = _thresholds(model, labels, threshold)
    size = min(USUAL_TOKENS, model.most_tokens) if max_tokens is None else max_tokens
    _check_size("max_tokens", size, 1, model.most_tokens)
    _check_size("overlap", overlap, 0)
    _check_size("max_chars", max_chars, 1)
    given = {
        "folder": str(folder),
        "labels": dict(labels) if isinstance(labels, Mapping) else [model.labels[nth] for nth in wanted],
        "threshold": threshold,
        "file": file,
        "max_tokens": max_tokens,
        "overlap": overlap,
        "max_chars": max_chars,
    }
    defaults = {"threshold": 0.5, "file": None, "max_tokens": None, "overlap": 64, "max_chars": 100_000}

    def load() -> tuple[Windows, Run]:
        return Windows(model.tokenizer, size=size, overlap=overlap), runner(model)

    loaded = LoadedOnce(load)

    @validator(
        name="classifier",
        blocking=True,
        params={name: value for name, value in given.items() if value != defaults.get(name, ...)},
        version=model.digest,
    )
    def find(text: str) -> list[Finding]:
        windows, run = loaded()
        read = windows.of(text[:max_chars])
        findings: list[Finding] = []
        for at in range(0, len(read), BATCH):
            check_time()
            batch = read[at : at + BATCH]
            for window, scores in zip(batch, run(batch), strict=True):
                findings += [
                    Finding(
                        "the classifier gives it this label",
                        span=(window.start, window.end),
                        category=model.labels[nth],
                        score=round(scores[nth], 4),
                    )
                    for nth, least in wanted.items()
                    if scores[nth] >= least
                ]
        if len(text) > max_chars:
            findings.append(
                Finding(
                    "is longer than the classifier reads", span=(max_chars, len(text)), category="NOT_READ"
                )
            )
        return findings

    return find


def _thresholds(
    model: ClassifierFolder, labels: Iterable[str] | Mapping[str, float], threshold: float
) -> dict[int, float]:
    """By the number of each label, the probability from which it is a finding."""
    names = tuple_of_words("classifier", "labels", labels)
    least = dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(names, threshold)
    for name, value in (("threshold", threshold), *least.items()):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(f"{name}={value!r} of classifier(...) must be a probability from 0 to 1")
    if unknown := [name for name in names if name not in model.labels]:
        raise ConfigError(
            f"labels of classifier(...): the model has no {', '.join(map(repr, unknown))}. "
            f"It has: {', '.join(map(repr, model.labels))}"
        )
    return {model.labels.index(name): value for name, value in least.items()}


def _check_size(name: str, value: int, least: int, most: int | None = None) -> None:
    if type(value) is int and value >= least and (most is None or value <= most):
        return
    reach = f"{least} or more" if most is None else f"from {least} to {most}, as much as the model takes"
    raise ConfigError(f"{name}={value!r} of classifier(...) must be a whole number, {reach}")
