"""`presidio`: Presidio's analyzer, with the user's language model or with none, and never a socket.

Left to itself Presidio reaches for the network twice: its default engine downloads a spaCy model, and
its e-mail recognizer refreshes a list of public suffixes. Here the engine is the one the user has, or a
blank tokenizer whose words still count as context, and the suffixes come from the snapshot that
`tldextract` ships. Presidio compares each finding with every token, so long texts are analysed in
pieces and the time stays linear.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from guardrails_lite import ConfigError, Finding, MissingPackage, Validator, validator
from guardrails_lite_validators._spans import outermost
from guardrails_lite_validators._surrogates import encodable

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer
    from presidio_analyzer.nlp_engine import NlpEngine

PIECE = 4000
OVERLAP = 200


def presidio(
    *,
    entities: Iterable[str] | None = None,
    language: str = "en",
    threshold: float = 0.4,
    nlp: str | NlpEngine | None = None,
    recognizers: Iterable[EntityRecognizer] = (),
) -> Validator:
    """Find what Presidio finds: its pattern recognizers, and names and places with a spaCy model.

    Needs the extra ``guardrails-lite-validators[pii]``. The analyzer is built when a text is first
    checked, which takes about a second; under an async guard it runs in a thread. A streamed reply is
    held back for it, because a model reads the whole text.

    Args:
        entities: Presidio's entity types, such as ``"PERSON"``; default: all it has.
        language: The language whose recognizers run.
        threshold: The score, from 0 to 1, from which a finding counts. Presidio gives 0.4 to a
            telephone number without a telling word nearby.
        nlp: The name of an installed spaCy model (``"en_core_web_sm"``), or an `NlpEngine`. None: no
            model; pattern recognizers only, with the words nearby as context.
        recognizers: Your own recognizers, in addition to the predefined ones.

    Raises:
        ConfigError: Presidio or the named spaCy model is not installed, or the threshold is not from
            0 to 1.
    """
    if find_spec("presidio_analyzer") is None:
        raise MissingPackage.needed_by(
            "presidio(...)", "presidio-analyzer", install="guardrails-lite-validators[pii]"
        )
    if isinstance(nlp, str) and find_spec(nlp) is None:
        raise ConfigError(
            f"presidio(nlp={nlp!r}): no such spaCy model is installed. Install it as a package "
            f"(python -m spacy download {nlp}), or leave nlp out to use pattern recognizers alone."
        )
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of presidio(...) must be from 0 to 1")
    wanted = None if entities is None else [entities] if isinstance(entities, str) else list(entities)
    own = tuple(recognizers)

    @functools.cache
    def analyzer() -> AnalyzerEngine:
        return _analyzer(language, nlp, own)

    params: dict[str, object] = {} if wanted is None else {"entities": wanted}
    if language != "en":
        params["language"] = language
    if threshold != 0.4:
        params["threshold"] = threshold
    if nlp is not None:
        params["nlp"] = nlp if isinstance(nlp, str) else type(nlp).__name__
    if own:
        params["recognizers"] = [type(recognizer).__name__ for recognizer in own]

    @validator(name="presidio", blocking=True, params=params)
    def find(text: str) -> list[Finding]:
        engine = analyzer()
        return outermost(
            Finding(
                "contains personal data that Presidio recognizes",
                span=(offset + result.start, offset + result.end),
                category=result.entity_type,
                score=round(min(max(result.score, 0.0), 1.0), 3),
            )
            for offset, piece in _pieces(text)
            for result in engine.analyze(piece, language, entities=wanted, score_threshold=threshold)
        )

    return find


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Overlapping pieces; what one cuts in two, the next holds whole."""
    for start in range(0, max(len(text) - OVERLAP, 1), PIECE - OVERLAP):
        yield start, encodable(text[start : start + PIECE])


def _analyzer(
    language: str, nlp: str | NlpEngine | None, own: tuple[EntityRecognizer, ...]
) -> AnalyzerEngine:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngine, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import EmailRecognizer, SpacyRecognizer

    engine: Any
    if isinstance(nlp, NlpEngine):
        engine = nlp
    elif nlp is None:
        engine = _blank_engine(language)
    else:
        engine = SpacyNlpEngine([{"lang_code": language, "model_name": nlp}])
    if not engine.is_loaded():
        engine.load()
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
    for recognizer in list(registry.recognizers):
        if isinstance(recognizer, EmailRecognizer) or (
            nlp is None and isinstance(recognizer, SpacyRecognizer)
        ):
            registry.recognizers.remove(recognizer)  # type: ignore[attr-defined]  # a list once loaded
    registry.add_recognizer(_offline_email_recognizer(language))
    for recognizer in own:
        registry.add_recognizer(recognizer)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])


def _offline_email_recognizer(language: str) -> EntityRecognizer:
    import tldextract
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):
        """Presidio's, with the public suffixes that `tldextract` ships."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text).fqdn)

    return OfflineEmailRecognizer(supported_language=language)


def _blank_engine(language: str) -> NlpEngine:
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class BlankEngine(NlpEngine):
        """A tokenizer without a model: its lower-cased words stand for lemmas, so context counts."""

        def __init__(self) -> None:
            self._tokenize: Any = None

        def load(self) -> None:
            try:
                self._tokenize = spacy.blank(language)
            except ImportError:  # a language that spaCy has no rules for
                self._tokenize = spacy.blank("xx")
            self._tokenize.max_length = PIECE + 1

        def is_loaded(self) -> bool:
            return self._tokenize is not None

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            document = self._tokenize(text)
            return NlpArtifacts(
                entities=[],
                tokens=document,
                tokens_indices=[token.idx for token in document],
                lemmas=[token.text.lower() for token in document],
                nlp_engine=self,
                language=language,
                scores=[],
            )

        def process_batch(
            self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
        ) -> Iterator[tuple[str, NlpArtifacts]]:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return bool(self._tokenize.vocab[word].is_stop)

        def is_punct(self, word: str, language: str) -> bool:
            return bool(self._tokenize.vocab[word].is_punct)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return [language]

    return BlankEngine()
