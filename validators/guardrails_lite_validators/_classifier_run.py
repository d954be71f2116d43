"""Run a classifier over windows of tokens: an ONNX export with onnxruntime, or weights with transformers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails_lite import ConfigError
from guardrails_lite_validators._model_onnx import OnnxModel

if TYPE_CHECKING:
    from guardrails_lite_validators._classifier_folder import ClassifierFolder
    from guardrails_lite_validators._classifier_windows import Window

Rows = Sequence[Sequence[float]]
Run = Callable[[Sequence["Window"]], Rows]
"""From a batch of windows to the probabilities of the labels in each."""


def runner(model: ClassifierFolder) -> Run:
    """Load a model.

    Raises:
        ConfigError: the file is no classifier with the labels that its settings name.
    """
    logits = _with_transformers(model) if model.export is None else _with_onnxruntime(model.export)

    def run(windows: Sequence[Window]) -> Rows:
        longest = max(len(window.tokens) for window in windows)
        rows = logits(
            [_padded(window.tokens, longest, model.padding) for window in windows],
            [_padded([1] * len(window.tokens), longest, 0) for window in windows],
            [_padded(window.types, longest, 0) for window in windows],
        )
        return [_probabilities(row, model) for row in rows]

    return run


def _padded(numbers: Sequence[int], length: int, padding: int) -> list[int]:
    return [*numbers, *[padding] * (length - len(numbers))]


def _probabilities(logits: Sequence[float], model: ClassifierFolder) -> list[float]:
    if len(logits) != len(model.labels):
        raise ConfigError(
            f"the model in {str(model.path)!r} gives {len(logits)} numbers for each text; its config.json "
            f"names {len(model.labels)} labels"
        )
    if not all(map(math.isfinite, logits)):
        raise ArithmeticError("the classifier gave no finite numbers, so nothing is known of the text")
    if model.apart:
        return [0.5 + math.tanh(logit / 2) / 2 for logit in logits]
    most = max(logits)
    weights = [math.exp(logit - most) for logit in logits]
    return [weight / sum(weights) for weight in weights]


Logits = Callable[[Sequence[list[int]], Sequence[list[int]], Sequence[list[int]]], Rows]
"""From tokens, the mask of those that count, and their types, to a row of numbers for each window."""


def _with_onnxruntime(file: Path) -> Logits:
    names = ("input_ids", "attention_mask", "token_type_ids")
    run = OnnxModel(file, takes=names, what="a text classifier")

    def logits(*inputs: Sequence[list[int]]) -> Rows:
        return run(dict(zip(names, inputs, strict=True)), dimensions=2).tolist()  # type: ignore[no-any-return]

    return logits


def _with_transformers(model: ClassifierFolder) -> Logits:
    import torch
    import transformers

    loaded, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        model.path,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if report["missing_keys"]:  # transformers would draw them at random
        raise ConfigError(
            f"the weights in {str(model.path)!r} are not all there: "
            f"{', '.join(sorted(report['missing_keys'])[:5])} missing. Is it a model before its training?"
        )
    loaded.eval()
    takes_types = "token_type_ids" in inspect.signature(loaded.forward).parameters

    def logits(tokens: Sequence[list[int]], mask: Sequence[list[int]], types: Sequence[list[int]]) -> Rows:
        given = {"token_type_ids": torch.tensor(types)} if takes_types else {}
        with torch.inference_mode():
            told = loaded(input_ids=torch.tensor(tokens), attention_mask=torch.tensor(mask), **given)
        return told.logits.float().tolist()  # type: ignore[no-any-return]

    return logits
