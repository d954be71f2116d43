"""Sigma rules: what they match, and what is refused rather than read in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails_lite import ConfigError
from guardrails_lite.audit.alerts import LEVELS, Rule, read_rules
from guardrails_lite.audit.alerts._detect import detection, may_be
from tests.alerts.facts import burst, rule, written


@pytest.mark.parametrize(
    ("selection", "held", "matches"),
    [
        ({"a": "Blocked"}, {"a": "blocked"}, True),
        ({"a|cased": "Blocked"}, {"a": "blocked"}, False),
        ({"a": "bl*d"}, {"a": "blocked"}, True),
        ({"a": "bl?cked"}, {"a": "blcked"}, False),
        ({"a": r"bl\*"}, {"a": "bl*"}, True),
        ({"a": r"bl\*"}, {"a": "blocked"}, False),
        ({"a": r"c:\x"}, {"a": r"c:\x"}, True),
        ({"a": r"c\\*"}, {"a": r"c\def"}, True),
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a|contains": "lock"}, {"a": "blocked"}, True),
        ({"a|contains|all": ["b", "d"]}, {"a": "blocked"}, True),
        ({"a|contains|all": ["b", "z"]}, {"a": "blocked"}, False),
        ({"a|startswith": "blo"}, {"a": "blocked"}, True),
        ({"a|startswith": "ked"}, {"a": "blocked"}, False),
        ({"a|endswith": "ked"}, {"a": "blocked"}, True),
        ({"a|endswith": "?"}, {"a": "x"}, True),
        ({"a|re": "^b.+d$"}, {"a": "blocked"}, True),
        ({"a|re": "^B"}, {"a": "blocked"}, False),
        ({"a|re|i": "^B"}, {"a": "blocked"}, True),
        ({"a|gt": 1}, {"a": 1.5}, True),
        ({"a|gte": 2}, {"a": 1.5}, False),
        ({"a|lt": 1}, {"a": "0"}, False),
        ({"a|lte": 1}, {"a": True}, False),
        ({"a|gte": 3}, {"a": float("inf")}, True),
        ({"a|neq": "x"}, {"a": "y"}, True),
        ({"a|neq": ["x", "y"]}, {"a": "y"}, False),
        ({"a|contains|neq": "x"}, {}, True),
        ({"a|cidr": "10.0.0.0/8"}, {"a": "10.1.2.3"}, True),
        ({"a|cidr": "2001:db8::/32"}, {"a": "2001:db8::1"}, True),
        ({"a|cidr": "10.0.0.0/8"}, {"a": "no address"}, False),
        ({"a|exists": True}, {"a": 0}, True),
        ({"a|exists": True}, {"a": ""}, False),
        ({"a|exists": False}, {}, True),
        ({"a": None}, {"a": ""}, True),
        ({"a": None}, {"a": "x"}, False),
        ({"a": ""}, {}, True),
        ({"a": "*"}, {}, False),
        ({"a": True}, {"a": True}, True),
        ({"a": "true"}, {"a": True}, True),
        ({"a": 5}, {"a": 5}, True),
        ({"a": "5"}, {"a": 5}, True),
        ({"a": "y"}, {"a": ["x", "y"]}, True),
        ({"a|neq": "y"}, {"a": ["x", "y"]}, False),
        ({"a": "x", "b": "y"}, {"a": "x", "b": "z"}, False),
        ([{"a": "x"}, {"b": "y"}], {"a": "z", "b": "y"}, True),
        ({"a": "İx"}, {"a": "İX"}, True),
    ],
)
def test_a_selection(selection: Any, held: dict[str, Any], matches: bool) -> None:
    """Values are text in either case unless a modifier says otherwise; maps ask for all, lists for one."""
    assert detection({"s": selection, "condition": "s"}).test(held) is matches


_names = st.sampled_from(["sel_a", "sel_b", "other"])
_expressions = st.recursive(
    _names | st.sampled_from(["1 of sel_*", "all of sel_*", "1 of them", "all of them", "any of other"]),
    lambda inner: st.one_of(
        st.builds("not {}".format, inner),
        st.builds("({})".format, inner),
        st.builds("{} and {}".format, inner, inner),
        st.builds("{} OR {}".format, inner, inner),
    ),
    max_leaves=8,
)


@given(_expressions, st.fixed_dictionaries({name: st.booleans() for name in ("sel_a", "sel_b", "other")}))
@example("not sel_a or sel_b and other", {"sel_a": True, "sel_b": True, "other": False})
def test_a_condition_means_what_it_means_in_python(text: str, held: dict[str, bool]) -> None:
    """``not`` binds closest, then ``and``, then ``or``; ``1 of`` is any and ``all of`` is all."""
    spelled = text.replace("OR", "or")
    for several, meaning in {
        "1 of sel_*": "(sel_a or sel_b)",
        "all of sel_*": "(sel_a and sel_b)",
        "1 of them": "(sel_a or sel_b or other)",
        "all of them": "(sel_a and sel_b and other)",
        "any of other": "(other)",
    }.items():
        spelled = spelled.replace(several, meaning)
    expected = eval(spelled, {}, dict(held))

    # Every selection has to be in some condition, so a last one that never matches names them all.
    never = "sel_a and not sel_a or sel_b and not sel_b or other and not other"
    selections = {name: {name: True} for name in held}
    assert detection({**selections, "condition": [text, never]}).test(held) is expected


@given(
    _expressions,
    st.fixed_dictionaries({name: st.booleans() for name in ("sel_a", "sel_b", "other")}),
    st.sets(st.sampled_from(["sel_a", "sel_b", "other"])),
)
@example("not sel_a", {"sel_a": False, "sel_b": True, "other": True}, set())
def test_what_matches_may_have_been_whatever_was_told_of_it(
    text: str, held: dict[str, bool], told: set[str]
) -> None:
    """A fact is left out on a part of its fields only where no other field could make it match."""
    never = "sel_a and not sel_a or sel_b and not sel_b or other and not other"
    test = detection({**{name: {name: True} for name in held}, "condition": [text, never]}).test
    assert may_be(test, {name: held[name] for name in told}) or not test(held)


@pytest.mark.parametrize(
    ("condition", "may"),
    [
        ("s and o", False),
        ("o and s", False),
        ("s or o", True),
        ("not s and o", True),
        ("not (o or not s)", False),
    ],
)
def test_a_part_of_the_fields_rules_a_match_out_where_it_decides(condition: str, may: bool) -> None:
    """It does in whatever order a condition asks, and never where a field that is not told decides."""
    asked = detection({"s": {"of": "key"}, "o": {"calls|gt": 5}, "condition": condition})
    assert may_be(asked.test, {"of": "user"}) is may


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": None}, "a rule needs a title"),
        ({"id": "7"}, "a rule needs an id, a UUID"),
        ({"colour": "red"}, "'colour' is not supported; there are title, id"),
        ({"level": "urgent"}, "level 'urgent' is not known; there are informational, low"),
        ({"status": "unsupported"}, "a rule with the status 'unsupported' is not run"),
        ({"taxonomy": "ecs"}, "taxonomy 'ecs' is not known"),
        ({"logsource": None}, "a rule needs a logsource"),
        ({"logsource": {"product": "windows"}}, "logsource.product is 'windows'"),
        ({"logsource": {"product": "guardrails-lite"}}, "logsource.service None is not known"),
        (
            {"logsource": {"product": "guardrails-lite", "category": "x"}},
            "logsource.category is not supported",
        ),
        ({"fields": ["colour"]}, "the service 'call' has no field 'colour'"),
        ({"tags": [1]}, "tags must be a list of texts"),
        ({"detection": {"s": {"outcome": "x"}}}, "detection must be a map of selections and a condition"),
        ({"detection": {"s": {"usr": "x"}, "condition": "s"}}, "has no field 'usr'; there are call, stream"),
        ({"detection": {"s": {"tag.": "x"}, "condition": "s"}}, "has no field 'tag.'"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """A rule that is read in part would alert on something else; the error names file, rule and place."""
    with pytest.raises(ConfigError) as raised:
        written(tmp_path, {**rule(), **change})
    assert said in str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path}/rules.yml: ")


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (
            {"outcome|base64": "x"},
            "s.outcome|base64: the modifier 'base64' is not supported; there are cont",
        ),
        ({"outcome|expand": "%x%"}, "the modifier 'expand'"),
        ({"outcome|contains|re": "x"}, "the modifiers contains, re do not go together"),
        ({"outcome|contains|contains": "x"}, "do not go together"),
        ({"outcome|i": "x"}, "i, m and s must follow re"),
        ({"outcome|cased|re": "x"}, "cased is for text"),
        ({"outcome|all": "x"}, "all needs several values"),
        ({"outcome|all|neq": ["x", "y"]}, "all needs several values, and does not go with neq"),
        ({"outcome": []}, "has no value"),
        ({"outcome": {"a": 1}}, "must be a value or a list of values"),
        ({"outcome|contains": ""}, "contains needs a value"),
        ({"outcome|exists": "yes"}, "must be true or false"),
        ({"us|gt": "many"}, "must be a number, not 'many'"),
        ({"us|gt": True}, "must be a number"),
        ({"outcome|re": "("}, "is not a regular expression"),
        ({"tag.ip|cidr": "10.x"}, "is not a network"),
        ({}, "must be a map of fields"),
        (["keyword"], "searches the whole entry; name a field"),
        ("keyword", "must be a map of fields"),
    ],
)
def test_selections_that_are_refused(tmp_path: Path, selection: Any, said: str) -> None:
    """A modifier that is unknown, in company it cannot keep, or with a value that it cannot take."""
    with pytest.raises(ConfigError) as raised:
        written(tmp_path, rule(detection={"s": selection, "condition": "s"}))
    assert said in str(raised.value)
    assert "detection.s" in str(raised.value)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("s or", "it ends too early"),
        ("", "it ends too early"),
        ("(s", "a bracket is not closed"),
        ("s)", "')' was not expected"),
        ("s s", "'s' was not expected"),
        ("s & s", "'&' was not expected"),
        ("t", "there is no selection 't'; there are s"),
        ("2 of them", "'2' of is not known"),
        ("1 of t*", "no selection is called 't*'"),
        ("1 of", "it ends too early"),
        ("s | count() by user > 5", "write a correlation: event_count"),
        (5, "detection.condition must be text"),
    ],
)
def test_conditions_that_are_refused(condition: Any, said: str) -> None:
    """The error quotes the condition and says what is wrong with it."""
    with pytest.raises(ConfigError) as raised:
        detection({"s": {"outcome": "x"}, "condition": condition})
    assert said in str(raised.value)


def test_a_part_that_would_change_nothing_is_refused() -> None:
    """A selection in no condition, and the time frame of old rules."""
    with pytest.raises(ConfigError, match=r"detection\.t is not used in the condition"):
        detection({"s": {"outcome": "x"}, "t": {"outcome": "y"}, "condition": "s"})
    with pytest.raises(ConfigError, match=r"detection\.timeframe is from older rules"):
        detection({"s": {"outcome": "x"}, "timeframe": "1h", "condition": "s"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "temporal"}, "correlation.type 'temporal' is not supported"),
        ({"aliases": {}}, "correlation.aliases is not supported"),
        ({"rules": []}, "correlation.rules must name a rule"),
        ({"rules": ["rule_9"]}, "no rule is called 'rule_9'"),
        ({"group-by": ["colour"]}, "has no field 'colour'"),
        ({"timespan": "1w"}, "correlation.timespan must be a number of s, m, h or d"),
        ({"condition": {"lt": 3}}, "takes one of gt and gte"),
        ({"condition": {"gt": 3, "gte": 4}}, "takes one of gt and gte"),
        ({"condition": {"gte": 0}}, "must be a whole number, 1 or more"),
        ({"condition": {"gte": 3, "field": "model"}}, "field goes with value_count"),
        ({"type": "value_count"}, "field goes with value_count"),
        ({"condition": 3}, "must be a map"),
    ],
)
def test_correlations_that_are_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """What would count something else than its author meant."""
    with pytest.raises(ConfigError) as raised:
        written(tmp_path, rule(), burst(**change))
    assert said in str(raised.value)
    assert "document 2: rule 'Burst 2'" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rule in it"),
        ("a: [", "is not YAML at line"),
        ("- a", "expected a rule, not a list"),
        ("&a [*a]", "expected a rule, not a list"),
        ("title: a\ntitle: b\n", "'title' occurs twice in the map that begins at line 1"),
        ("detection:\n  s:\n    x: 1\n    x: 2\n", "'x' occurs twice in the map that begins at line 3"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """What is no rule at all, and a key that YAML would silently drop."""
    (tmp_path / "rules.yml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_rules(tmp_path, shipped=False)
    assert said in str(raised.value)


def test_places_that_are_refused(tmp_path: Path) -> None:
    """A file that is not there, a folder without rules, and an id that two rules have."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rules(tmp_path / "none.yml")
    with pytest.raises(ConfigError, match=r"no \.yml or \.yaml file in it"):
        read_rules(tmp_path)
    with pytest.raises(ConfigError, match="has the same id"):
        written(tmp_path, rule(), rule())


def test_a_counted_rule_alerts_by_itself_only_where_it_is_generated(tmp_path: Path) -> None:
    """As Sigma has it: ``generate`` is false unless it is said."""
    assert [one.title for one in written(tmp_path, rule(), burst()).alerting] == ["Burst 2"]
    generated = {**burst(), "generate": True}
    assert [one.title for one in written(tmp_path, rule(), generated).alerting] == ["Rule 1", "Burst 2"]


def test_a_level_leaves_out_what_is_below(tmp_path: Path) -> None:
    """But keeps, in silence, what a correlation of that level counts."""
    rules = written(tmp_path, rule(1, level="low"), rule(3, level="low"), burst())
    assert [one.title for one in rules.at_least("low").alerting] == ["Rule 3", "Burst 2"]
    high = rules.at_least("high")
    assert [one.title for one in high.alerting] == ["Burst 2"]
    assert [one.title for one in high.rules] == ["Rule 1"]
    assert rules.at_least("critical").alerting == ()


def test_ones_own_rule_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    """By its id, so that a threshold can be changed without two alerts."""
    shipped = next(one for one in read_rules().alerting if one.title == "Spend jumped")
    (tmp_path / "mine.yml").write_text(
        f"title: Mine\nid: {shipped.id.upper()}\nlogsource: {{product: guardrails-lite, service: hour}}\n"
        "detection: {s: {cost_usd|gte: 5}, condition: s}\n"
    )
    titles = [one.title for one in read_rules(tmp_path).alerting]
    assert "Mine" in titles
    assert "Spend jumped" not in titles
    assert len(titles) == len(read_rules().alerting)


def test_the_shipped_rules_are_told() -> None:
    """Each has its own title and id, a description and a level."""
    rules = read_rules()
    assert len({one.id for one in (*rules.rules, *rules.correlations)}) == len(rules.rules) + len(
        rules.correlations
    )
    for one in rules.alerting:
        assert one.title
        assert one.description
        assert one.level in LEVELS
        assert not isinstance(one, Rule) or one.fields or one.title == "Segments of the log expired"
