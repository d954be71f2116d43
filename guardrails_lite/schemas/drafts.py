"""The drafts of JSON Schema, and which of them a document is written in."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from guardrails_lite._errors import ConfigError

DRAFTS = {
    "http://json-schema.org/draft-04/schema": 4,
    "http://json-schema.org/draft-06/schema": 6,
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2019-09/schema": 2019,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}
DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def draft_of(schema: object, documents: Mapping[str, Any]) -> int:
    """The draft that a document says it is written in.

    Raises:
        ConfigError: it names one that is neither known nor among *documents*.
    """
    named = schema.get("$schema", DEFAULT_DRAFT) if isinstance(schema, dict) else DEFAULT_DRAFT
    for _ in range(4):
        found = DRAFTS.get(str(named).rstrip("#"))
        if found is not None:
            return found
        meta = documents.get(str(named))
        if not isinstance(meta, dict):
            break
        named = meta.get("$schema")
    raise ConfigError(
        f"$schema={named!r} is not a draft of JSON Schema that is known here; expected one of "
        f"{', '.join(DRAFTS)}. Leave $schema out for 2020-12."
    )


@functools.cache
def specification(draft: int) -> Any:
    """How `referencing` reads a draft: where its identifiers and anchors are."""
    from referencing import jsonschema as known

    return {
        4: known.DRAFT4,
        6: known.DRAFT6,
        7: known.DRAFT7,
        2019: known.DRAFT201909,
        2020: known.DRAFT202012,
    }[draft]
