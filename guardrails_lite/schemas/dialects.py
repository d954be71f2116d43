"""JSON Schema of draft 4, 6, 7, 2019-09 and 2020-12, compiled offline.

The drafts differ in which keywords there are and how references are found; `referencing` follows the
references, `jsonschema` says what is wrong with a schema that is none, and `keywords` is what is left once
that is done.
References are resolved when the schema is compiled, from the schema itself and the documents given with it:
nothing is ever fetched. Formats are asserted.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas import formats, keywords
from guardrails_lite.schemas.defects import MAX_DEFECTS, Defect
from guardrails_lite.schemas.keywords import Memo, Node, Part
from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.patterns import Pattern, UnsupportedPattern, compile_pattern
from guardrails_lite.schemas.problems import Pointer
from guardrails_lite.schemas.wrapping import WRAPPER

if TYPE_CHECKING:
    from referencing import Registry
    from referencing._core import Resolver

DRAFTS = {
    "http://json-schema.org/draft-04/schema": 4,
    "http://json-schema.org/draft-06/schema": 6,
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2019-09/schema": 2019,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}
DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VALIDATORS = {
    4: "Draft4Validator",
    6: "Draft6Validator",
    7: "Draft7Validator",
    2019: "Draft201909Validator",
    2020: "Draft202012Validator",
}
_VALIDATION = frozenset(
    {
        "type",
        "enum",
        "const",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
        "required",
        "dependentRequired",
    }
)
"""The keywords of the validation vocabulary, which a metaschema may leave out."""


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
    compiler = _Compiler(documents or {}, assert_formats=assert_formats)
    document = dict(schema)
    return RawCheck(document, compiler.document(document), draft_of(document, compiler.documents))


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


class _Compiler:
    """Compiles one document and what it refers to."""

    def __init__(self, documents: Mapping[str, Any], *, assert_formats: bool) -> None:
        self.documents = documents
        self.assert_formats = assert_formats
        self.known: dict[object, Node] = {}
        self.unfinished: set[object] = set()
        """What of `known` is being compiled: who meets it again there has come full circle."""
        self.alive: list[object] = []
        """Keeps what `known` names by id from being collected."""
        self.remembers = False

    def document(self, document: dict[str, Any], *, is_known: bool = False) -> Node:
        import referencing.exceptions
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # it has no types

        draft = draft_of(document, self.documents)
        if not is_known:
            _check_schema(document, draft)
        texts = repr(document) + repr(self.documents)
        self.remembers = "unevaluated" in texts
        registry: Registry[Any] = REGISTRY.with_resources(
            [
                (uri, _specification(draft_of(other, self.documents)).create_resource(other))
                for uri, other in self.documents.items()
            ]
        )
        resource = _specification(draft).create_resource(document)
        resolver = registry.resolver_with_root(resource)
        self.validates = self._has_validation(document)
        try:
            return self.node(document, resolver, draft)
        except referencing.exceptions.Unresolvable as error:
            raise ConfigError(
                f"the schema refers to {error.ref!r}, which is not in it. Remote schemas are never fetched: "
                "give the document with `documents={uri: schema}`, or copy it under $defs."
            ) from error

    def _has_validation(self, document: dict[str, Any]) -> bool:
        meta = self.documents.get(str(document.get("$schema", "")))
        vocabulary = meta.get("$vocabulary") if isinstance(meta, dict) else None
        return vocabulary is None or any("/vocab/validation" in uri for uri in vocabulary)

    def node(self, schema: object, resolver: Resolver[Any], draft: int) -> Node:
        """The compiled form of a subschema; *resolver* stands in it."""
        if not isinstance(schema, dict):
            return keywords.always() if schema is True else keywords.never()
        if "$schema" in schema:
            draft = draft_of(schema, self.documents)
        scope = dict.fromkeys([uri for uri, _ in resolver.dynamic_scope()][::-1])
        key = (id(schema), draft, resolver._base_uri, tuple(scope))
        node = self.known.get(key)
        if node is None:
            node = self.known[key] = Node()
            self.unfinished.add(key)
            self.alive.append(schema)
            _Schema(self, schema, resolver, draft).compile_into(node)
            node.finish(remembers=self.remembers)
            self.unfinished.discard(key)
        elif key in self.unfinished:
            node.recurs = True
        return node


class _Schema:
    """One subschema while it is compiled."""

    def __init__(
        self, compiler: _Compiler, schema: dict[str, Any], resolver: Resolver[Any], draft: int
    ) -> None:
        self.compiler = compiler
        self.schema = schema
        self.resolver = resolver
        self.draft = draft

    def has(self, keyword: str) -> bool:
        return keyword in self.schema and (self.compiler.validates or keyword not in _VALIDATION)

    def sub(self, schema: object) -> Node:
        if not isinstance(schema, dict):
            return keywords.always() if schema is True else keywords.never()
        entered = self.resolver.in_subresource(_specification(self.draft).create_resource(schema))
        return self.compiler.node(schema, entered, self.draft)

    def subs(self, keyword: str) -> list[Node]:
        return [self.sub(one) for one in self.schema[keyword]]

    def compile_into(self, node: Node) -> None:
        schema, add = self.schema, node.parts.append
        if "$ref" in schema:
            add(keywords.all_of([self.follow(schema["$ref"])]))
            if self.draft <= 7:
                # Before 2019-09 a reference stands alone: what is beside it says nothing.
                return
        if self.draft == 2019 and "$recursiveRef" in schema:
            add(keywords.all_of([self.follow_recursive()]))
        if self.draft == 2020 and "$dynamicRef" in schema:
            add(keywords.all_of([self.follow_dynamic(schema["$dynamicRef"])]))
        if self.has("type"):
            node.kinds, node.only_integers = keywords.kinds_of(schema["type"])
            if self.draft == 4 and node.only_integers:
                # Draft 4 counts 1.0 as no integer.
                node.kinds -= {float}
        if self.has("enum"):
            add(keywords.one_of(schema["enum"]))
        if self.draft >= 6 and self.has("const"):
            add(keywords.one_of([schema["const"]]))
        for part in (*self.numbers(), *self.strings(), *self.arrays(), *self.objects(), *self.combined()):
            add(part)
        if self.draft >= 2019:
            for what in ("Properties", "Items"):
                if f"unevaluated{what}" in schema:
                    under = self.sub(schema[f"unevaluated{what}"])
                    add(keywords.unevaluated(node, under, what.lower()))

    # -- references ----------------------------------------------------------------------------------

    def follow(self, reference: str) -> Node:
        """A plain reference: to an anchor as it is written, however it is scoped."""
        import referencing.exceptions
        from referencing.jsonschema import DynamicAnchor

        resolved = self.resolver.lookup(reference)
        uri, _, fragment = reference.partition("#")
        if fragment and not fragment.startswith("/"):
            from urllib.parse import urljoin

            base = urljoin(self.resolver._base_uri, uri) if uri else self.resolver._base_uri
            try:
                anchor = self.resolver._registry.anchor(base, fragment).value
            except (referencing.exceptions.Unresolvable, LookupError):
                anchor = None
            if isinstance(anchor, DynamicAnchor):
                return self.compiler.node(anchor.resource.contents, resolved.resolver, self.draft)
        return self.compiler.node(resolved.contents, resolved.resolver, self.draft)

    def follow_dynamic(self, reference: str) -> Node:
        resolved = self.resolver.lookup(reference)
        return self.compiler.node(resolved.contents, resolved.resolver, self.draft)

    def follow_recursive(self) -> Node:
        from referencing.jsonschema import lookup_recursive_ref

        resolved = lookup_recursive_ref(self.resolver)
        return self.compiler.node(resolved.contents, resolved.resolver, self.draft)

    # -- the keywords, by what they speak of -----------------------------------------------------------

    def numbers(self) -> list[Part]:
        schema, parts = self.schema, []
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if not self.has(keyword) or isinstance(schema[keyword], bool):
                continue
            exclusive = f"exclusive{keyword.capitalize()}"
            if self.draft == 4 and schema.get(exclusive) is True:
                parts.append(keywords.bound(exclusive, schema[keyword]))
            else:
                parts.append(keywords.bound(keyword, schema[keyword]))
        if self.has("multipleOf"):
            parts.append(keywords.multiple_of(schema["multipleOf"]))
        return parts

    def strings(self) -> list[Part]:
        schema = self.schema
        parts = [
            keywords.size(keyword, schema[keyword])
            for keyword in ("minLength", "maxLength")
            if self.has(keyword)
        ]
        if self.has("pattern"):
            parts.append(keywords.matches(self.pattern(schema["pattern"])))
        if "format" in schema and self.compiler.assert_formats:
            holds = formats.checker(schema["format"], self.draft)
            if holds is not None:
                parts.append(keywords.has_format((str,), holds))
        return parts

    def pattern(self, pattern: str) -> Pattern:
        try:
            return compile_pattern(pattern)
        except UnsupportedPattern as error:
            raise ConfigError(
                f"pattern {pattern[:80]!r} of the schema cannot be checked: {error}. Write it without, "
                "or check it with a validator of your own: Annotated[str, reask(...)]."
            ) from error

    def arrays(self) -> list[Part]:
        schema = self.schema
        parts = [
            keywords.size(keyword, schema[keyword])
            for keyword in ("minItems", "maxItems")
            if self.has(keyword)
        ]
        if self.has("uniqueItems") and schema["uniqueItems"]:
            parts.append(keywords.unique())
        under = schema.get("items")
        if self.draft >= 2020:
            prefix = self.subs("prefixItems") if "prefixItems" in schema else []
            rest = self.sub(under) if "items" in schema else None
        elif isinstance(under, list):
            prefix = self.subs("items")
            rest = self.sub(schema["additionalItems"]) if "additionalItems" in schema else None
        else:
            prefix, rest = [], self.sub(under) if "items" in schema else None
        if prefix or rest is not None:
            parts.append(keywords.items(prefix, rest, prefix_only=rest is None))
        if self.draft >= 6 and "contains" in schema:
            bounded = self.draft >= 2019
            parts.append(
                keywords.contains(
                    self.sub(schema["contains"]),
                    schema.get("minContains", 1) if bounded and self.compiler.validates else 1,
                    schema.get("maxContains") if bounded and self.compiler.validates else None,
                    evaluates=self.draft >= 2020,
                )
            )
        return parts

    def objects(self) -> list[Part]:
        schema = self.schema
        parts = []
        if self.has("required") and isinstance(schema["required"], list) and schema["required"]:
            parts.append(keywords.required(schema["required"]))
        parts.extend(
            keywords.size(keyword, schema[keyword])
            for keyword in ("minProperties", "maxProperties")
            if self.has(keyword)
        )
        if any(keyword in schema for keyword in ("properties", "patternProperties", "additionalProperties")):
            closes = "additionalProperties" in schema
            parts.append(
                keywords.properties(
                    {name: self.sub(one) for name, one in schema.get("properties", {}).items()},
                    [
                        (self.pattern(pattern), self.sub(one))
                        for pattern, one in schema.get("patternProperties", {}).items()
                    ],
                    self.sub(schema["additionalProperties"]) if closes else None,
                    closes=closes,
                )
            )
        if self.draft >= 6 and "propertyNames" in schema:
            parts.append(keywords.property_names(self.sub(schema["propertyNames"])))
        needed: dict[str, list[str]] = {}
        shaped: dict[str, Node] = {}
        # 2019-09 split `dependencies` in two and kept reading the old word.
        for name, one in schema.get("dependencies", {}).items():
            if isinstance(one, list):
                needed[name] = one
            else:
                shaped[name] = self.sub([one] if isinstance(one, str) else one)
        if self.draft >= 2019:
            if self.has("dependentRequired"):
                needed.update(schema["dependentRequired"])
            shaped.update({name: self.sub(one) for name, one in schema.get("dependentSchemas", {}).items()})
        if needed:
            parts.append(keywords.dependent_required(needed))
        if shaped:
            parts.append(keywords.dependent_schemas(shaped))
        return parts

    def combined(self) -> list[Part]:
        schema, parts = self.schema, []
        if schema.get("allOf"):
            parts.append(keywords.all_of(self.subs("allOf")))
        if "anyOf" in schema:
            parts.append(keywords.any_of(self.subs("anyOf")))
        if "oneOf" in schema:
            parts.append(keywords.exactly_one_of(self.subs("oneOf")))
        if "not" in schema:
            parts.append(keywords.none_of(self.sub(schema["not"])))
        if self.draft >= 7 and "if" in schema:
            parts.append(
                keywords.conditional(
                    self.sub(schema["if"]),
                    self.sub(schema.get("then", True)),
                    self.sub(schema.get("else", True)),
                )
            )
        return parts


@functools.cache
def _specification(draft: int) -> Any:
    from referencing import jsonschema as known

    return {
        4: known.DRAFT4,
        6: known.DRAFT6,
        7: known.DRAFT7,
        2019: known.DRAFT201909,
        2020: known.DRAFT202012,
    }[draft]


@functools.cache
def _metaschema(draft: int) -> RawCheck:
    """The schema of schemas, compiled like any other."""
    from jsonschema_specifications import REGISTRY

    [uri] = [uri for uri, number in DRAFTS.items() if number == draft]
    document = REGISTRY.contents(uri)
    return RawCheck(document, _Compiler({}, assert_formats=False).document(document, is_known=True), draft)


def _check_schema(document: dict[str, Any], draft: int) -> None:
    if _metaschema(draft).accepts(document):
        return
    import jsonschema  # type: ignore[import-untyped]  # it has no types

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
