"""From a JSON Schema of any draft to the checks of its keywords.

The drafts differ in which keywords there are and how references are found. `referencing` follows the
references, when the schema is compiled: from the schema itself and the documents given with it. Nothing is
ever fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas import formats
from guardrails_lite.schemas.drafts import draft_of, specification
from guardrails_lite.schemas.keywords import arrays, combinations, objects, values
from guardrails_lite.schemas.keywords.node import Node, Part, always, kinds_of, never
from guardrails_lite.schemas.keywords.unevaluated import unevaluated
from guardrails_lite.schemas.patterns import Pattern, UnsupportedPattern, compile_pattern

if TYPE_CHECKING:
    from referencing import Registry
    from referencing._core import Resolver

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


def compiled(document: dict[str, Any], documents: Mapping[str, Any], *, assert_formats: bool) -> Node:
    """A valid schema, compiled.

    Args:
        documents: Other schemas that its references may name, by URI.
        assert_formats: Whether ``format`` refuses.

    Raises:
        ConfigError: it refers to what is not there, or has a pattern that cannot be run in bounded time.
    """
    import referencing.exceptions
    from jsonschema_specifications import REGISTRY

    registry: Registry[Any] = REGISTRY.with_resources(
        [
            (uri, specification(draft_of(other, documents)).create_resource(other))
            for uri, other in documents.items()
        ]
    )
    draft = draft_of(document, documents)
    resolver = registry.resolver_with_root(specification(draft).create_resource(document))
    try:
        return _Compiler(document, documents, assert_formats=assert_formats).node(document, resolver, draft)
    except referencing.exceptions.Unresolvable as error:
        raise ConfigError(
            f"the schema refers to {error.ref!r}, which is not in it. Remote schemas are never fetched: "
            "give the document with `documents={uri: schema}`, or copy it under $defs."
        ) from error


class _Compiler:
    """Compiles one document and what it refers to."""

    def __init__(
        self, document: dict[str, Any], documents: Mapping[str, Any], *, assert_formats: bool
    ) -> None:
        self.documents = documents
        self.assert_formats = assert_formats
        self.validates = _has_validation(document, documents)
        self.remembers = "unevaluated" in repr(document) + repr(documents)
        self.known: dict[object, Node] = {}
        self.unfinished: set[object] = set()
        """What of `known` is being compiled: who meets it again there has come full circle."""
        self.alive: list[object] = []
        """Keeps what `known` names by id from being collected."""

    def node(self, schema: object, resolver: Resolver[Any], draft: int) -> Node:
        """The compiled form of a subschema; *resolver* stands in it."""
        if not isinstance(schema, dict):
            return always() if schema is True else never()
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


def _has_validation(document: dict[str, Any], documents: Mapping[str, Any]) -> bool:
    """Whether the document's own metaschema has the validation vocabulary."""
    meta = documents.get(str(document.get("$schema", "")))
    vocabulary = meta.get("$vocabulary") if isinstance(meta, dict) else None
    return vocabulary is None or any("/vocab/validation" in uri for uri in vocabulary)


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
            return always() if schema is True else never()
        entered = self.resolver.in_subresource(specification(self.draft).create_resource(schema))
        return self.compiler.node(schema, entered, self.draft)

    def subs(self, keyword: str) -> list[Node]:
        return [self.sub(one) for one in self.schema[keyword]]

    def compile_into(self, node: Node) -> None:
        schema, add = self.schema, node.parts.append
        if "$ref" in schema:
            add(combinations.all_of([self.follow(schema["$ref"])]))
            if self.draft <= 7:
                # Before 2019-09 a reference stands alone: what is beside it says nothing.
                return
        if self.draft == 2019 and "$recursiveRef" in schema:
            add(combinations.all_of([self.follow_recursive()]))
        if self.draft == 2020 and "$dynamicRef" in schema:
            add(combinations.all_of([self.follow_dynamic(schema["$dynamicRef"])]))
        if self.has("type"):
            node.kinds, node.only_integers = kinds_of(schema["type"])
            if self.draft == 4 and node.only_integers:
                # Draft 4 counts 1.0 as no integer.
                node.kinds -= {float}
        if self.has("enum"):
            add(values.one_of(schema["enum"]))
        if self.draft >= 6 and self.has("const"):
            add(values.one_of([schema["const"]]))
        for part in (*self.numbers(), *self.strings(), *self.arrays(), *self.objects(), *self.combined()):
            add(part)
        if self.draft >= 2019:
            for what in ("Properties", "Items"):
                if f"unevaluated{what}" in schema:
                    under = self.sub(schema[f"unevaluated{what}"])
                    add(unevaluated(node, under, what.lower()))

    # -- references ----------------------------------------------------------------------------------

    def follow(self, reference: str) -> Node:
        """A plain reference: to an anchor as it is written, however it is scoped."""
        import referencing.exceptions
        from referencing.jsonschema import DynamicAnchor

        resolved = self.resolver.lookup(reference)
        uri, _, fragment = reference.partition("#")
        if fragment and not fragment.startswith("/"):
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
                parts.append(values.bound(exclusive, schema[keyword]))
            else:
                parts.append(values.bound(keyword, schema[keyword]))
        if self.has("multipleOf"):
            parts.append(values.multiple_of(schema["multipleOf"]))
        return parts

    def strings(self) -> list[Part]:
        schema = self.schema
        parts = [
            values.size(keyword, schema[keyword])
            for keyword in ("minLength", "maxLength")
            if self.has(keyword)
        ]
        if self.has("pattern"):
            parts.append(values.matches(self.pattern(schema["pattern"])))
        if "format" in schema and self.compiler.assert_formats:
            holds = formats.checker(schema["format"], self.draft)
            if holds is not None:
                parts.append(values.has_format(holds))
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
            values.size(keyword, schema[keyword]) for keyword in ("minItems", "maxItems") if self.has(keyword)
        ]
        if self.has("uniqueItems") and schema["uniqueItems"]:
            parts.append(arrays.unique())
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
            parts.append(arrays.items(prefix, rest, prefix_only=rest is None))
        if self.draft >= 6 and "contains" in schema:
            bounded = self.draft >= 2019
            parts.append(
                arrays.contains(
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
            parts.append(objects.required(schema["required"]))
        parts.extend(
            values.size(keyword, schema[keyword])
            for keyword in ("minProperties", "maxProperties")
            if self.has(keyword)
        )
        if any(keyword in schema for keyword in ("properties", "patternProperties", "additionalProperties")):
            closes = "additionalProperties" in schema
            parts.append(
                objects.properties(
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
            parts.append(objects.property_names(self.sub(schema["propertyNames"])))
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
            parts.append(objects.dependent_required(needed))
        if shaped:
            parts.append(objects.dependent_schemas(shaped))
        return parts

    def combined(self) -> list[Part]:
        schema, parts = self.schema, []
        if schema.get("allOf"):
            parts.append(combinations.all_of(self.subs("allOf")))
        if "anyOf" in schema:
            parts.append(combinations.any_of(self.subs("anyOf")))
        if "oneOf" in schema:
            parts.append(combinations.exactly_one_of(self.subs("oneOf")))
        if "not" in schema:
            parts.append(combinations.none_of(self.sub(schema["not"])))
        if self.draft >= 7 and "if" in schema:
            parts.append(
                combinations.conditional(
                    self.sub(schema["if"]),
                    self.sub(schema.get("then", True)),
                    self.sub(schema.get("else", True)),
                )
            )
        return parts
