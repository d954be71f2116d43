"""JSON Schema compiled to closures, held to jsonschema as the oracle."""

from __future__ import annotations

import random
import re
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._errors import ConfigError
from guardrails_lite._schema import Schema
from guardrails_lite.schemas.dialects import compile_schema
from guardrails_lite.schemas.drafts import DRAFTS
from guardrails_lite.schemas.patterns import UnsupportedPattern, compile_pattern
from schema.values import VALUES

NAMES = st.sampled_from(["a", "b", "c"])
SMALL = st.integers(-2, 3)
SCALARS = st.none() | st.booleans() | SMALL | st.sampled_from([1.0, 0.5, "", "a", "ab"])
INSTANCES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]


def any_schema(chance: random.Random, depth: int = 3) -> Any:
    """A schema of up to four keywords, of any kind."""
    schema: dict[str, Any] = {}
    for _ in range(chance.randint(0, 4)):
        keyword, value = chance.choice(KEYWORDS)
        if not callable(value):
            schema[keyword] = chance.choice(value)
        elif depth:
            schema[keyword] = value(chance, depth - 1)
    return schema


def some(chance: random.Random, depth: int) -> list[Any]:
    return [any_schema(chance, depth) for _ in range(chance.randint(1, 3))]


def named(chance: random.Random, depth: int) -> dict[str, Any]:
    return {name: any_schema(chance, depth) for name in chance.sample("abc", chance.randint(0, 3))}


def open_or_shut(chance: random.Random, depth: int) -> Any:
    return chance.choice([True, False, any_schema(chance, depth)])


KEYWORDS: list[tuple[str, Any]] = [
    ("type", [*TYPES, ["integer", "null"], ["string", "object"], ["array", "number"]]),
    ("enum", [[1, "a", None], [True, 0], [1.0, [1]], ["ab"]]),
    ("const", [1, 1.0, True, None, "a", [], {"a": 1}]),
    ("minimum", [-1, 0, 1.5]),
    ("exclusiveMaximum", [0, 2]),
    ("multipleOf", [1, 2, 0.5]),
    ("minLength", [0, 1, 2]),
    ("maxLength", [0, 1]),
    ("pattern", ["a", "^b", "[ab]$"]),
    ("minItems", [0, 1]),
    ("maxItems", [0, 1]),
    ("uniqueItems", [True, False]),
    ("required", [["a"], ["b", "c"], []]),
    ("minProperties", [1]),
    ("maxProperties", [0, 1]),
    ("dependentRequired", [{"a": ["b"]}, {"b": []}]),
    ("$ref", ["#/$defs/a", "#/$defs/b"]),
    ("properties", named),
    ("properties", named),
    ("patternProperties", lambda chance, depth: {"^[ab]": any_schema(chance, depth)}),
    ("additionalProperties", open_or_shut),
    ("propertyNames", any_schema),
    ("dependentSchemas", named),
    ("items", open_or_shut),
    ("prefixItems", some),
    ("contains", any_schema),
    ("allOf", some),
    ("anyOf", some),
    ("oneOf", some),
    ("not", any_schema),
    ("if", any_schema),
    ("then", any_schema),
    ("else", any_schema),
    ("unevaluatedProperties", open_or_shut),
    ("unevaluatedItems", open_or_shut),
]
SCHEMAS = st.randoms(use_true_random=False).map(any_schema)


@given(SCHEMAS, st.sampled_from(TYPES), st.sampled_from(TYPES), INSTANCES)
def test_the_compiled_schema_and_jsonschema_agree(
    schema: dict[str, Any], a: str, b: str, value: object
) -> None:
    """One verdict on every schema and value, and an explanation exactly where it is a refusal."""
    whole = {
        **schema,
        "$defs": {"a": {"type": a}, "b": {"type": sorted({"object", b}), "properties": {"a": {"type": a}}}},
    }
    check = compile_schema(whole)
    verdict = check.accepts(value)
    assert verdict == jsonschema.Draft202012Validator(whole).is_valid(value)
    assert verdict == (not check.defects(value))


@given(VALUES)
def test_a_refusal_names_places_that_are_there(value: object) -> None:
    """Each problem of a generic schema lies at a place of the value."""
    schema = Schema.of(
        {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}
    )
    for problem in schema.check(value):
        assert problem.path.startswith("$")


@pytest.mark.parametrize("dialect", DRAFTS)
def test_each_draft_is_known_by_its_name(dialect: str) -> None:
    """With and without the empty fragment."""
    for name in (dialect, dialect + "#"):
        assert Schema.of({"$schema": name, "type": "integer"}).parse("3").ok


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "(x+x+)+y", "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*$"]
)
def test_a_pattern_takes_linear_time(pattern: str) -> None:
    """What makes a backtracking engine hang takes no time here, at any length."""
    schema = Schema.of({"type": "string", "pattern": pattern})
    began = time.perf_counter()
    assert not schema.parse('"' + "a" * 50_000 + '!"').ok
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!x)y", "(a)\\1", "(?<n>a)\\k<n>"])
def test_a_pattern_without_a_bound_is_refused_when_compiled(pattern: str) -> None:
    """Look-around and back-references have no linear form; the error says what to do instead."""
    with pytest.raises(ConfigError, match=r"cannot be checked.*Annotated\[str, reask"):
        Schema.of({"pattern": pattern})


@pytest.mark.parametrize(
    "pattern", [r"^\d+$", r"^\w+$", r"\s", "^[^abc]$", r"^a{2,3}$", "[a-c]|x", r"\.", "^$", r"[\d_]"]
)
@given(text=st.text("ab1_ .x\n", max_size=5))
def test_a_pattern_means_what_it_means_in_ascii_python(pattern: str, text: str) -> None:
    """On plain text the two dialects agree, but for Python's ``$``, which also stands before a line's end."""
    assert compile_pattern(pattern)(text) == bool(re.search(pattern.replace("$", r"\Z"), text, re.ASCII))


@given(st.text("ab()[]{}|*+?.^$\\dwsbp-,1:=!<>&~", max_size=12))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    """No other error leaves the compiler, and a compiled pattern answers."""
    try:
        found = compile_pattern(pattern)
    except UnsupportedPattern:
        return
    assert found("ab") in (True, False)


@pytest.mark.parametrize("depth", [40, 150, 5000])
def test_a_deep_schema_is_compiled_or_refused(depth: int) -> None:
    """Whether it is nested itself or its references lead on and on; a tool server may send either."""
    nested: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        nested = {"type": "object", "properties": {"a": nested}}
    parts: dict[str, Any] = {
        f"n{level}": {"properties": {"a": {"$ref": f"#/$defs/n{level + 1}"}}} for level in range(depth)
    }
    chain = {"$ref": "#/$defs/n0", "$defs": {**parts, f"n{depth}": {"type": "string"}}}
    for schema in (nested, chain):
        if depth == 40:
            assert Schema.of(schema).parse('{"a":' * depth + '"x"' + "}" * depth).ok
        else:
            with pytest.raises(ConfigError, match=r"deeper than can be checked.*Make it flatter"):
                Schema.of(schema)


def test_deep_values_are_judged_or_refused() -> None:
    """A recursive schema goes as deep as JSON may, or says that it cannot; it never breaks."""
    schema = Schema.of(
        {"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"n": {"anyOf": [{"$ref": "#/$defs/n"}]}}}}}
    )
    for depth in (10, 100, 190):
        problems = schema.parse('{"n":' * depth + "{}" + "}" * depth).problems
        assert problems == () or problems[0].code == "too deep"
    assert not schema.parse('{"n":' * 300 + "{}" + "}" * 300).ok


def test_unevaluated_properties_in_a_recursion_take_polynomial_time() -> None:
    """Verdicts are remembered within one check, so each level costs the same."""
    schema = Schema.of(
        {
            "$ref": "#/$defs/n",
            "$defs": {
                "n": {
                    "anyOf": [{"properties": {"n": {"$ref": "#/$defs/n"}}}, {"properties": {"m": True}}],
                    "unevaluatedProperties": False,
                }
            },
        }
    )
    began = time.perf_counter()
    assert schema.parse('{"n":' * 40 + "{}" + "}" * 40).ok
    assert time.perf_counter() - began < 2


DEEPER = {"properties": {"n": {"$ref": "#/$defs/n"}}}
BRANCHES = [{**DEEPER, "required": ["a"]}, {**DEEPER, "required": ["b"]}]


@pytest.mark.parametrize(
    ("node", "leaf", "fits"),
    [
        ({"anyOf": BRANCHES}, "{}", False),
        ({"oneOf": BRANCHES}, "{}", False),
        ({"anyOf": [{**DEEPER, "required": ["a"]}, DEEPER]}, '{"n": 0}', True),
        ({"allOf": [DEEPER, DEEPER]}, "{}", True),
        ({"allOf": [DEEPER, {**DEEPER, "type": "object"}]}, "0", False),
        ({"if": DEEPER, "then": DEEPER, "type": "object"}, "{}", True),
        ({**DEEPER, "not": {"not": DEEPER}, "type": "object"}, "{}", True),
        ({**DEEPER, "dependentSchemas": {"n": DEEPER}, "type": "object"}, "0", False),
    ],
)
def test_a_recursion_by_several_ways_takes_polynomial_time(node: Any, leaf: str, fits: bool) -> None:
    """A schema that comes back to itself by two ways does not cost twice as much with each level."""
    schema = Schema.of({"$ref": "#/$defs/n", "$defs": {"n": node}})
    began = time.perf_counter()
    parsed = schema.parse('{"n":' * 30 + leaf + "}" * 30)
    assert parsed.ok is fits
    assert bool(parsed.problems) is not fits
    assert time.perf_counter() - began < 2


def test_decimals_are_compared_as_decimals() -> None:
    """0.3 is a multiple of 0.1, which binary arithmetic denies."""
    schema = Schema.of({"multipleOf": 0.1})
    assert schema.check(0.3) == ()
    assert schema.check(0.35)[0].code == "out of range"
