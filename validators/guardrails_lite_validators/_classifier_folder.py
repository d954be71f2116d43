"""What a folder says of the classifier in it: its labels, its limits, which of its files is run and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guardrails_lite import ConfigError
from guardrails_lite_validators._model_folder import (
    EXPORTS,
    digest_of,
    export_in,
    folder_of,
    is_whole,
    need,
    pickled_in,
    settings_of,
)

USUAL_TOKENS = 512

_FROM_PADDING = frozenset(
    {"camembert", "data2vec-text", "ibert", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta"}
)
"""Families that count positions from the padding's number on, and so take fewer tokens than positions."""


@dataclass(frozen=True, slots=True)
class ClassifierFolder:
    """A classifier that can be run here, before anything of it is loaded."""

    path: Path
    export: Path | None
    """The ONNX file. None: the weights are run by `transformers`."""
    labels: tuple[str, ...]
    """By the number that the model gives them."""
    apart: bool
    """Labels are judged each by itself, so several may hold; else they share one probability."""
    most_tokens: int
    """In one window, those that the tokenizer adds included."""
    padding: int
    """The number of the padding token."""
    digest: str
    """Names the contents of the files that decide about findings."""

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's file."""
        return self.path / "tokenizer.json"

    @classmethod
    def read(cls, folder: str | Path, file: str | None) -> ClassifierFolder:
        """Look at a folder and run nothing of it.

        Raises:
            ConfigError: it holds no classifier that can be run here; the message says what to do.
        """
        path = folder_of("classifier", folder)
        config = settings_of("classifier", path / "config.json")
        kinds = config.get("architectures") or []
        if kinds and not any(str(kind).endswith("ForSequenceClassification") for kind in kinds):
            raise ConfigError(
                f"{str(path)!r} of classifier(...) holds {', '.join(map(str, kinds))}; expected a model for "
                "sequence classification, which has labels"
            )
        problem = config.get("problem_type")
        if problem == "regression":
            raise ConfigError(
                f"{str(path)!r} of classifier(...) holds a regression: its numbers are no "
                "probabilities of labels"
            )
        export = _export_in(path, file)
        labels = _labels_of(path, config)
        if not (path / "tokenizer.json").is_file():
            raise ConfigError(
                f"{str(path)!r} of classifier(...) has no tokenizer.json. Where you have transformers, "
                "write it with: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )
        told = [path / "config.json", path / "tokenizer.json"]
        told += sorted(
            path.glob("*.safetensors") if export is None else export.parent.glob(f"{export.name}*")
        )
        padding = config.get("pad_token_id")
        return cls(
            path,
            export,
            labels,
            apart=problem == "multi_label_classification" or len(labels) == 1,
            most_tokens=_most_tokens(path, config),
            padding=padding if isinstance(padding, int) else 0,
            digest=digest_of(told),
        )


def _export_in(path: Path, file: str | None) -> Path | None:
    """The ONNX file to run, or None where there are only weights that `transformers` can run."""
    found = export_in("classifier", path, file)
    if found is not None:
        need("classifier", "onnxruntime", "tokenizers")
        return found
    export = f"optimum-cli export onnx --model {path} {path}"
    if not any(path.glob("*.safetensors")):
        raise ConfigError(
            f"{str(path)!r} of classifier(...) has none of {', '.join(EXPORTS)} and no model.safetensors. "
            f"{pickled_in(path)}Where you trust the model, export it with: {export}"
        )
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise ConfigError(
            f"{str(path)!r} of classifier(...) has no ONNX export, and its safetensors weights need "
            f"transformers and torch, which are not installed. Export it where they are: {export}"
        )
    need("classifier", "tokenizers")
    return None


def _labels_of(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label")
    if named is None:
        count = config.get("num_labels", 2)
        named = {str(nth): f"LABEL_{nth}" for nth in range(count if is_whole(count) else 2)}
    labels = tuple(named.get(str(nth)) for nth in range(len(named))) if isinstance(named, dict) else ()
    if not labels or not all(isinstance(label, str) and label for label in labels):
        raise ConfigError(
            f"id2label in {str(path / 'config.json')!r} of classifier(...) must name the labels 0 to n - 1"
        )
    return labels  # type: ignore[return-value]  # asked just before


def _most_tokens(path: Path, config: Mapping[str, Any]) -> int:
    """The least of what the model and its tokenizer say they take."""
    said: list[int] = []
    positions = config.get("max_position_embeddings")
    if is_whole(positions):
        before = (config.get("pad_token_id") or 0) + 1 if config.get("model_type") in _FROM_PADDING else 0
        said.append(positions - before)
    tokenizer = path / "tokenizer_config.json"
    if tokenizer.is_file():
        length = settings_of("classifier", tokenizer).get("model_max_length")
        if is_whole(length):  # a very large number where it has none
            said.append(length)
    return max(min(said, default=USUAL_TOKENS), 1)
