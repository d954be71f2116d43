"""Tools as they are declared, sent, printed and run."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from guardrails_lite._errors import Blocked, ConfigError
from guardrails_lite._messages import ToolCall
from guardrails_lite._tools import MemoryLedger, Tool, Toolbox, tool

ran: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


def refund(
    order: str, cents: int, reason: Literal["late", "broken"] = "late", *, note: str | None = None
) -> str:
    """Pay an order back.

    Args:
        order: The order's number.
        cents: How much.
    """
    ran.append((order, cents, reason, note))
    return f"refunded {cents} cents of {order}"


async def look_up(order: str) -> dict[str, int]:
    """Look an order up."""
    ran.append(order)
    return {"cents": 1200}


class Weather(BaseModel):
    """Tell the weather."""

    city: str
    days: int = Field(default=1, ge=1, le=14)


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def checked(made: Tool, arguments: str = "{}", id: str = "call_1") -> ToolCall:
    """A call of *made* that has passed the check."""
    (verdict,) = Toolbox.of([made]).offered({}).check((ToolCall(id, made.name, arguments),), ())
    assert verdict.ok, verdict.problems
    return verdict.call


def parameters(made: Tool) -> Any:
    """The JSON Schema that is sent."""
    return made.definition["function"]["parameters"]


class TestDeclaring:
    """From a function, a type, a dict."""

    def test_a_function_gives_name_description_and_parameters(self) -> None:
        """The docstring and the annotations are all the model needs."""
        made = tool(refund)

        assert made.name == "refund"
        assert made.definition["function"]["description"] == "Pay an order back."
        assert set(parameters(made)["properties"]) == {"order", "cents", "reason", "note"}
        assert parameters(made)["properties"]["order"]["description"] == "The order's number."
        assert parameters(made)["additionalProperties"] is False

    def test_a_model_gives_its_own_schema(self) -> None:
        """The arguments of such a tool arrive as the model."""
        made = tool(Weather)

        assert (made.name, made.definition["function"]["description"]) == ("Weather", "Tell the weather.")
        assert checked(made, '{"city": "Oslo", "days": 2}').value == Weather(city="Oslo", days=2)

    def test_a_dict_is_sent_as_it_is(self) -> None:
        """What somebody wrote for the provider is not second-guessed, but it is enforced closed."""
        made = tool(WEATHER)

        assert made.definition == WEATHER
        assert checked(made, '{"city": "Oslo"}').value == {"city": "Oslo"}

    @pytest.mark.parametrize(
        "declared",
        [
            {"type": "function", "name": "weather", "parameters": WEATHER["function"]["parameters"]},
            WEATHER["function"],
            {"function": WEATHER["function"]},
        ],
        ids=["Responses API", "bare", "without type"],
    )
    def test_other_forms_of_the_dict_mean_the_same(self, declared: Any) -> None:
        """The provider's two APIs write a tool differently."""
        assert parameters(tool(declared)) == parameters(tool(WEATHER))

    def test_name_and_description_can_be_given(self) -> None:
        """For a function whose name or docstring is not meant for a model."""
        for declared in (refund, Weather, WEATHER, tool(refund)):
            made = tool(declared, name="other", description="Do it.")
            assert (made.name, made.definition["function"]["name"]) == ("other", "other")
            assert made.definition["function"]["description"] == "Do it."

    def test_a_tool_keeps_its_terms_when_it_is_declared_again(self) -> None:
        """`tool(tool(f, ...), ...)` changes what is named and nothing else."""
        made = tool(tool(refund, max_calls=2, effects="write"), max_calls=3)

        assert (made.max_calls, made.effects) == (3, "write")

    def test_methods_partials_and_callable_objects_are_functions_too(self) -> None:
        """Whatever has annotations and can be called."""

        class Desk:
            def refund(self, cents: int) -> int:
                return cents

            def __call__(self, cents: int) -> int:
                return cents + 1

        partial = functools.partial(refund, order="A-1")
        assert checked(tool(Desk().refund), '{"cents": 1}').run() == 1
        assert checked(tool(Desk(), name="desk"), '{"cents": 1}').run() == 2
        assert checked(tool(partial), '{"cents": 1}').run() == "refunded 1 cents of A-1"

    def test_positional_only_parameters_are_filled(self) -> None:
        """How a function wants its arguments is no concern of the model."""

        def add(a: int, b: int = 2, /, *, c: int = 3) -> tuple[int, int, int]:
            return a, b, c

        assert checked(tool(add), '{"a": 1, "c": 5}').run() == (1, 2, 5)

    def test_annotated_constraints_and_descriptions_count(self) -> None:
        """`Annotated` says more than a docstring, and wins."""

        def f(days: Annotated[int, Field(ge=1, description="From today.")]) -> None:
            """Do.

            Args:
                days: Something else.
            """

        assert parameters(tool(f))["properties"]["days"]["description"] == "From today."
        (verdict,) = Toolbox.of([f]).offered({}).check((ToolCall("a", "f", '{"days": 0}'),), ())
        assert verdict.reason == "out of range"

    def test_explain_says_who_enforces_what(self) -> None:
        """The provider is held to what its strict form has; the rest is held here."""

        def f(name: Annotated[str, Field(min_length=2, pattern="a+")]) -> None: ...

        explained = tool(f).explain()
        assert explained is not None
        assert explained.strict
        assert {line.keyword: line.enforced for line in explained.lines if line.path.endswith("name")} == {
            "type": "provider",
            "minLength": "here",
            "pattern": "provider",
        }
        assert tool({"type": "custom", "custom": {"name": "shell"}}).explain() is None

    def test_a_custom_tool_takes_free_text(self) -> None:
        """Its text is checked for nothing but its size, and says so by having no schema."""
        made = tool({"type": "custom", "custom": {"name": "shell", "description": "Run."}})

        assert (made.kind, made.arguments) == ("custom", None)
        (verdict,) = (
            Toolbox.of([made]).offered({}).check((ToolCall("a", "shell", "ls -l", kind="custom"),), ())
        )
        assert verdict.call.value == "ls -l"


def _no_annotation(x):  # type: ignore[no-untyped-def]
    return x


def _stars(*xs: int) -> None: ...


def _unknown(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def _broken(x: int.nothing) -> None: ...  # type: ignore[name-defined]


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: tool(3), "takes a function, a type of arguments or a tool dict, not int"),
        (lambda: tool(_no_annotation), "parameter 'x' of tool '_no_annotation' has no annotation"),
        (lambda: tool(_stars), r"takes \*xs, which JSON arguments cannot fill"),
        (
            lambda: tool(_unknown),
            r"tool '_unknown' names 'Nowhere', which is not defined yet. Define or import",
        ),
        (lambda: tool(_broken), r"an annotation of tool '_broken' cannot be evaluated \(AttributeError\)"),
        (lambda: tool(lambda: 1), "tool name '<lambda>' must be 1 to 64 letters"),
        (lambda: tool(refund, name="pay back"), "tool name 'pay back' must be"),
        (lambda: tool({"type": "web_search"}), "is run by the provider"),
        (lambda: tool({"title": "x"}), "must look like"),
        (
            lambda: tool({"type": "function", "function": {"name": "f", "parameters": []}}),
            "parameters of tool 'f' must be",
        ),
        (
            lambda: tool({"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}),
            "type 'object'",
        ),
        (
            lambda: tool(
                {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "strin"}}}}
            ),
            "tool 'f'",
        ),
        (lambda: tool(int), "the arguments of tool 'int' must be an object"),
        (lambda: tool(refund, approve=True), "approve=True of tool 'refund' must be a function"),  # type: ignore[arg-type]
        (lambda: tool(refund, approve="yes"), "or 'deny'"),  # type: ignore[arg-type]
        (
            lambda: tool(refund, approve_timeout_s=0),
            "approve_timeout_s=0 of tool 'refund' must be more than 0",
        ),
        (
            lambda: tool(refund, approve_timeout_s=1e10, approve=print),
            r"approve_timeout_s=10000000000.0 of tool 'refund' must be .* at most 1e\+09",
        ),
        (lambda: tool(refund, approve_timeout_s=1), "needs a function as approve="),
        (lambda: tool(refund, max_calls=0), "max_calls=0 of tool 'refund' must be at least 1; to refuse all"),
        (lambda: tool(refund, max_calls=True), "max_calls=True"),
        (lambda: tool(refund, effects="both"), "must be 'read' or 'write'"),  # type: ignore[arg-type]
        (lambda: tool(refund, only_after=[3]), "must hold names of tools"),  # type: ignore[list-item]
        (lambda: tool(refund, only_after="refund"), "could never be called"),
        (lambda: tool(refund, only_after=3), "only_after=3 of tool 'refund' must hold names of tools"),  # type: ignore[arg-type]
        (lambda: tool(refund, approve_timeout_s="1", approve=print), "approve_timeout_s='1' of tool"),  # type: ignore[arg-type]
        (lambda: tool(refund, description=3), "description=3 of tool 'refund' must be a str"),  # type: ignore[arg-type]
        (lambda: tool(refund, name=0), "tool name 0 must be"),  # type: ignore[arg-type]
        (lambda: Toolbox.of([refund, refund]), "tool 'refund' is declared 2 times"),
        (lambda: Toolbox.of(refund), "takes a list of tools, not function"),  # type: ignore[arg-type]
        (
            lambda: Toolbox.of([tool(refund, only_after="lookup")]),
            "only_after='lookup' of tool 'refund' names no declared tool",
        ),
        (
            lambda: Toolbox.of([tool(refund, only_after="look_up"), tool(look_up, only_after="refund")]),
            "only_after of look_up, refund goes in a circle",
        ),
    ],
)
def test_what_cannot_work_is_said_when_it_is_declared(declare: Any, message: str) -> None:
    """What, where, what was expected, and the remedy."""
    with pytest.raises(ConfigError, match=message):
        declare()


class TestPrinting:
    """Values print as the code that made them, and have an identity."""

    @pytest.mark.parametrize(
        ("made", "shown"),
        [
            (tool(refund), "refund"),
            (tool(refund, max_calls=1, approve="deny"), "tool(refund, approve='deny', max_calls=1)"),
            (tool(refund, name="pay", effects="write"), "tool(refund, name='pay', effects='write')"),
            (
                tool(refund, approve=bool, approve_timeout_s=5),
                "tool(refund, approve=bool, approve_timeout_s=5)",
            ),
            (
                tool(refund, only_after=["look_up"], result=str),
                "tool(refund, result=str, only_after=('look_up',))",
            ),
            (tool(Weather), "tool(Weather)"),
            (tool(WEATHER), "tool({'type': 'function', 'function': {'name': 'weather', ...}})"),
        ],
    )
    def test_repr(self, made: Tool, shown: str) -> None:
        """A plain function prints as itself, since `tools=[f]` is how it was declared."""
        assert repr(made) == shown

    def test_the_fingerprint_changes_with_what_matters(self) -> None:
        """Terms, definition and code: each is part of the policy."""

        def other(
            order: str, cents: int, reason: Literal["late", "broken"] = "late", *, note: str | None = None
        ) -> str:
            """Pay an order back.

            Args:
                order: The order's number.
                cents: How much.
            """
            return ""

        tools = [
            tool(refund),
            tool(refund, max_calls=1),
            tool(refund, result=str),
            tool(refund, result=int),
            tool(refund, description="x"),
            tool(refund, approve=bool),
            tool(other, name="refund"),
        ]
        assert len({made.fingerprint for made in tools}) == len(tools)
        assert tool(refund) == tool(refund)
        assert hash(tool(refund)) == hash(tool(refund))
        assert tool(refund) != tool(refund, max_calls=1)

    def test_the_order_of_a_toolbox_does_not_matter(self) -> None:
        """The same tools are the same policy."""
        assert Toolbox.of([refund, Weather]).fingerprint == Toolbox.of([Weather, refund]).fingerprint
        assert Toolbox.of([refund]).fingerprint != Toolbox.of([Weather]).fingerprint


class TestRunning:
    """A checked call runs; nothing else does."""

    def test_a_checked_call_runs_with_typed_arguments(self) -> None:
        """Defaults are the function's own."""
        call = checked(tool(refund), '{"order": "A-1", "cents": 5}')

        assert call.run() == "refunded 5 cents of A-1"
        assert ran == [("A-1", 5, "late", None)]

    def test_an_async_tool_is_awaited_and_a_sync_one_runs_in_a_thread(self) -> None:
        """`arun` takes both."""
        assert asyncio.run(checked(tool(look_up), '{"order": "A-1"}').arun()) == {"cents": 1200}
        assert (
            asyncio.run(checked(tool(refund), '{"order": "A-1", "cents": 5}').arun())
            == "refunded 5 cents of A-1"
        )

    def test_a_stop_of_iteration_in_its_thread_ends_the_wait(self) -> None:
        """As the RuntimeError that Python makes of it in a coroutine, with its cause."""

        def first(order: str) -> str:
            return next(iter(()))

        with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
            asyncio.run(checked(tool(first), '{"order": "A-1"}').arun())

        assert isinstance(caught.value.__cause__, StopIteration)

    def test_an_async_tool_cannot_run_synchronously(self) -> None:
        """The error names the way."""
        with pytest.raises(ConfigError, match=r"tool 'look_up' is async: `await tool_call.arun\(\)`"):
            checked(tool(look_up), '{"order": "A-1"}').run()

    def test_an_unchecked_call_never_runs(self) -> None:
        """Neither by itself nor by handing it to a tool."""
        call = ToolCall("a", "refund", '{"order": "A-1", "cents": 5}')

        with pytest.raises(ConfigError, match="has not been checked"):
            call.run()
        for forged in (
            call,
            replace(call, tool=tool(refund)),
            replace(checked(tool(Weather), '{"city": "x"}'), name="refund"),
        ):
            with pytest.raises(ConfigError, match="not a checked call of tool 'refund'"):
                tool(refund).run(forged)
        assert ran == []

    def test_a_described_tool_has_nothing_to_run(self) -> None:
        """A model or a dict only says what the arguments are."""
        with pytest.raises(ConfigError, match="was declared without a function"):
            checked(tool(Weather), '{"city": "Oslo"}').run()

    def test_a_result_is_held_to_its_schema(self) -> None:
        """What the function returned is not quoted."""

        def secret() -> str:
            return "sk-secret-7"

        with pytest.raises(
            Blocked, match=r"returned something that its result= does not allow: \$: "
        ) as error:
            checked(tool(secret, result=int)).run()
        assert "secret-7" not in str(error.value)
        assert checked(tool(secret, result=str)).run() == "sk-secret-7"

    def test_an_optional_parameter_may_be_null_where_the_function_says_so(self) -> None:
        """`Optional` and a default of None."""

        def f(a: Optional[int] = None) -> int | None:  # noqa: UP045
            return a

        assert checked(tool(f), '{"a": null}').run() is None
        assert checked(tool(f), "{}").run() is None


class TestWriting:
    """A write happens at most once for one logical call."""

    def test_the_same_call_writes_once(self) -> None:
        """Also through another object, and with the arguments written another way."""
        made = tool(refund, effects="write").within("test_the_same_call_writes_once")
        call = replace(checked(made, '{"order": "A-1", "cents": 5}'), tool=made)
        call.run()

        for again in (call, replace(call), replace(call, arguments='{"cents":5,"order":"A-1"}')):
            with pytest.raises(
                Blocked, match="has already run with these arguments in this operation, at 20"
            ):
                again.run()
        assert len(ran) == 1

    def test_another_operation_writes_again(self) -> None:
        """The scope is what makes two equal calls two."""
        made = tool(refund, effects="write")
        call = checked(made, '{"order": "A-1", "cents": 5}')
        for scope in ("one", "two"):
            replace(call, tool=made.within(scope, MemoryLedger())).run()

        assert len(ran) == 2

    def test_a_write_that_broke_half_way_is_not_repeated(self) -> None:
        """Nobody knows how far it came."""

        def pay(cents: int) -> None:
            ran.append(cents)
            raise OSError("connection lost")

        made = tool(pay, effects="write").within("s", MemoryLedger())
        call = replace(checked(made, '{"cents": 5}'), tool=made)
        with pytest.raises(OSError, match="connection lost"):
            call.run()
        with pytest.raises(
            Blocked, match=r"was begun .*, and nobody knows whether it happened: .* name another operation"
        ) as error:
            call.run()

        assert ran == [5]
        assert error.value.outcome == "tool denied"

    def test_of_two_tasks_one_writes(self) -> None:
        """`asyncio.gather` over the same call is no way round."""

        async def pay(cents: int) -> int:
            ran.append(cents)
            await asyncio.sleep(0)
            return cents

        made = tool(pay, effects="write").within("t", MemoryLedger())
        call = replace(checked(made, '{"cents": 5}'), tool=made)

        async def both() -> list[Any]:
            return await asyncio.gather(call.arun(), call.arun(), return_exceptions=True)

        results = asyncio.run(both())
        assert ran == [5]
        assert sorted(type(result).__name__ for result in results) == ["Blocked", "int"]

    def test_what_only_reads_may_be_repeated(self) -> None:
        """A tool without declared effects too: running it twice is the application's choice."""
        for effects in (None, "read"):
            call = checked(tool(refund, effects=effects), '{"order": "A-1", "cents": 5}')  # type: ignore[arg-type]
            assert call.run() == call.run()
