"""`moderation`: the verdict of an OpenAI-compatible moderation endpoint."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite.reliability import report_usage
from guardrails_lite_validators._keywords import tuple_of_words


def moderation(
    client: Any,
    /,
    *,
    model: str = "omni-moderation-latest",
    categories: Iterable[str] | None = None,
    threshold: float | None = None,
) -> Validator:
    """Find what a moderation endpoint flags. Each text is sent to it; set `timeout_s` on the rule.

    Args:
        client: An `OpenAI` or `AsyncOpenAI`, or anything with the same ``moderations.create``.
        model: The model to ask.
        categories: Only these, as the endpoint names them, such as ``["violence", "self-harm"]``.
        threshold: The score from which a category counts; default: where the endpoint flags it.

    Raises:
        ConfigError: a client without ``moderations.create``, or a threshold that is not from 0 to 1.
    """
    create = getattr(getattr(client, "moderations", None), "create", None)
    if create is None:
        raise ConfigError(
            f"moderation(...) takes a client with moderations.create, not {type(client).__name__}"
        )
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of moderation(...) must be from 0 to 1")
    only = None if categories is None else frozenset(tuple_of_words("moderation", "categories", categories))
    given = {
        "model": model,
        "categories": None if only is None else sorted(only),
        "threshold": threshold,
    }
    params = {key: value for key, value in given.items() if value is not None}

    def findings(answer: Any) -> Iterator[Finding]:
        if (usage := getattr(answer, "usage", None)) is not None:
            report_usage(usage, model=getattr(answer, "model", model))
        for result in answer.results:
            flags, scores = _told(result.categories), _told(result.category_scores)
            for name, score in scores.items():
                flagged = bool(flags.get(name)) if threshold is None else (score or 0) >= threshold
                if flagged and (only is None or name in only):
                    yield Finding(
                        "flagged by the moderation model",
                        category=f"MODERATION_{name.upper()}",
                        score=min(max(float(score or 0), 0.0), 1.0),
                    )

    if inspect.iscoroutinefunction(create):

        @validator(name="moderation", params=params)
        async def asked(text: str) -> list[Finding]:
            return list(findings(await create(model=model, input=text))) if text.strip() else []

        return asked

    @validator(name="moderation", params=params, blocking=True)
    def find(text: str) -> list[Finding]:
        return list(findings(create(model=model, input=text))) if text.strip() else []

    return find


def _told(told: Any) -> dict[str, Any]:
    """Categories by the names that went over the wire, whether they come as a model or as a dict."""
    named: dict[str, Any] = told if isinstance(told, dict) else told.model_dump(by_alias=True)
    return named
