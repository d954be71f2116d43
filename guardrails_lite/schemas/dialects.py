"""Checking a reply against a JSON Schema of draft 4, 6, 7, 2019-09 or 2020-12, offline. Formats are asserted.

`compiling` makes the checks; `jsonschema` says what is wrong with a schema that is none.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import islice
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas.compiling import compiled
from guardrails_lite.schemas.defects import MAX_DEFECTS, Defect
from guardrails_lite.schemas.drafts import DEFAULT_DRAFT, DRAFTS, draft_of
from guardrails_lite.schemas.keywords.node import Memo, Node
from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.problems import Pointer
from guardrails_lite.schemas.wrapping import WRAPPER

_VALIDATORS = {
    4: "Draft4Validator",
    6: "Draft6Validator",
    7: "Draft7Validator",
    2019: "Draft201909Validator",
    2020: "Draft202012Validator",
}


class RawCheck:
    """A JSON Schema, compiled once."""

    def __init__(self, schema: dict[str, Any], node: Node, draft: int) -> None:
        self.json_schema = schema
        self.draft = draft
        self.outline = Outline(schema)
        self._node = node

    def accepts(self, value: object) -> bool:
        """Whether *value*, made of JSON's own types, fits; False too where Python's stack cannot tell."""
        try:
            return self._node.check(value, {})
        except RecursionError:
            return False

    def judge(self, plain: object, data: bytes) -> tuple[object, list[Defect]]:
        """The value, and what keeps it from fitting."""
        return plain, self.defects(plain)

    def judge_wrapped(self, plain: dict[str, Any], data: bytes) -> tuple[object, list[Defect]]:
        """The same for a value that came under the wrapper's name."""
        inner = plain[WRAPPER]
        return inner, self.defects(inner)

    def code(self) -> list[str]:
        """The code that takes part in the verdict: none of the user's."""
        return []

    def defects(self, value: object) -> list[Defect]:
        """What keeps *value* from fitting; empty when it fits."""
        try:
            memo: Memo = {}
            if self._node.check(value, memo):
                return []
            return list(islice(self._node.explain(value, (), memo), MAX_DEFECTS)) or [Defect((), "no branch")]
        except RecursionError:
            return [Defect((), "too deep", "nesting that can be checked")]


def compile_schema(
    schema: Mapping[str, Any],
    *,
    documents: Mapping[str, Any] | None = None,
    assert_formats: bool = True,
) -> RawCheck:
    """Compile a JSON Schema.

    Args:
        schema: Its ``$schema`` names the draft; without one it is 2020-12.
        documents: Other schemas that its references may name, by URI.
        assert_formats: Whether ``format`` refuses; without it, it says nothing.

    Raises:
        ConfigError: it is not a schema of a known draft, a reference leads nowhere, or a pattern cannot be
            run in bounded time.
    """
    document, documents = dict(schema), documents or {}
    draft = draft_of(document, documents)
    _check_schema(document, draft)
    return RawCheck(document, compiled(document, documents, assert_formats=assert_formats), draft)


@functools.cache
def _metaschema(draft: int) -> RawCheck:
    """The schema of schemas, compiled like any other."""
    from jsonschema_specifications import REGISTRY

    [uri] = [uri for uri, number in DRAFTS.items() if number == draft]
    document = REGISTRY.contents(uri)
    return RawCheck(document, compiled(document, {}, assert_formats=False), draft)


def _check_schema(document: dict[str, Any], draft: int) -> None:
    if _metaschema(draft).accepts(document):
        return
    import jsonschema

    try:
        getattr(jsonschema, _VALIDATORS[draft]).check_schema(
            document, format_checker=jsonschema.FormatChecker(())
        )
    except jsonschema.SchemaError as error:
        pointer: Pointer = tuple(error.absolute_path)
        place = "$" + "".join(f"[{part!r}]" for part in pointer)
        raise ConfigError(
            f"schema={{...}} is not a valid JSON Schema: {error.message[:200]} (at {place}). It was read "
            f"as {document.get('$schema', DEFAULT_DRAFT)}; if it is for another draft, name that in $schema."
        ) from error
