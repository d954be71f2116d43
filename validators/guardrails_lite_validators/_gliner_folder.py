"""What a folder says of the GLiNER model in it: its limits, its marks, and whether it can be run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

USUAL_TOKENS = 768
"""Of a model whose tokenizer names no limit: twice its usual 384 words."""


@dataclass(frozen=True, slots=True)
class GlinerFolder:
    """A GLiNER model that can be run here, before anything of it is loaded."""

    path: Path
    export: Path
    most_words: int
    """In one window."""
    most_tokens: int
    """In one window, the names of the entities and what the tokenizer adds included."""
    width: int
    """The most words of an entity."""
    entity_mark: str
    """The token before the name of each entity."""
    text_mark: str
    """The token between the names and the text."""
    digest: str
    """Names the contents of the files that decide about findings."""

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's file."""
        return self.path / "tokenizer.json"

    @classmethod
    def read(cls, folder: str | Path, file: str | None) -> GlinerFolder:
        """Look at a folder and run nothing of it.

        Raises:
            ConfigError: it holds no GLiNER model that can be run here; the message says what to do.
        """
        path = folder_of("gliner", folder)
        config = settings_of("gliner", path / "gliner_config.json")
        _check_kind(path, config)
        export = export_in("gliner", path, file)
        if export is None:
            raise ConfigError(
                f"{str(path)!r} of gliner(...) has none of {', '.join(EXPORTS)}. {pickled_in(path)}Where you "
                "have the package gliner, and trust the model, export it with: "
                "GLiNER.from_pretrained(folder).export_to_onnx(folder)"
            )
        if not (path / "tokenizer.json").is_file():
            raise ConfigError(
                f"{str(path)!r} of gliner(...) has no tokenizer.json. Where you have the package gliner, "
                "write it with: GLiNER.from_pretrained(folder).save_pretrained(folder)"
            )
        need("gliner", "onnxruntime", "tokenizers")
        told = [path / "gliner_config.json", path / "tokenizer.json"]
        return cls(
            path,
            export,
            most_words=_number(path, config, "max_len", 384),
            most_tokens=_most_tokens(path, config),
            width=_number(path, config, "max_width", 12),
            entity_mark=str(config.get("ent_token", "<<ENT>>")),
            text_mark=str(config.get("sep_token", "<<SEP>>")),
            digest=digest_of(told + sorted(export.parent.glob(f"{export.name}*"))),
        )


def _check_kind(path: Path, config: Mapping[str, Any]) -> None:
    """There are kinds that mark tokens, that read names apart, or that write; their inputs are others."""
    expected = {
        "span_mode": config.get("span_mode", "markerV0") != "token_level",
        "labels_encoder": not config.get("labels_encoder"),
        "labels_decoder": not config.get("labels_decoder"),
        "relations_layer": not config.get("relations_layer"),
        "words_splitter_type": config.get("words_splitter_type", "whitespace") == "whitespace",
        "subtoken_pooling": config.get("subtoken_pooling", "first") == "first",
        "precomputed_prompts_mode": not config.get("precomputed_prompts_mode"),
    }
    if others := [f"{name}={config[name]!r}" for name, is_known in expected.items() if not is_known]:
        raise ConfigError(
            f"{str(path)!r} of gliner(...) holds a kind that is not run here ({', '.join(others)}); expected "
            "one that classifies spans, as the models named small, medium, large and multi are"
        )


def _number(path: Path, config: Mapping[str, Any], name: str, usual: int) -> int:
    value = config.get(name, usual)
    if not is_whole(value):
        raise ConfigError(f"{name}={value!r} in gliner_config.json in {str(path)!r} must be a whole number")
    return value


def _most_tokens(path: Path, config: Mapping[str, Any]) -> int:
    """The least of what the encoder and the tokenizer say they take."""
    said = [USUAL_TOKENS]
    encoder = config.get("encoder_config") or {}
    positions = encoder.get("max_position_embeddings")
    if is_whole(positions) and "deberta" not in str(encoder.get("model_type")):  # which counts distances
        said.append(positions)
    if (path / "tokenizer_config.json").is_file():
        length = settings_of("gliner", path / "tokenizer_config.json").get("model_max_length")
        if is_whole(length):  # a very large number where it has none
            said.append(length)
    return min(said)
