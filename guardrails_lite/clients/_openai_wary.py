"""A client that looks at a body before it parses it, and builds what it finds there fast."""

from __future__ import annotations

from typing import Any

from guardrails_lite._nesting import TooDeepError, refuse_depth
from guardrails_lite.clients._openai_built import built
from guardrails_lite.clients._openai_sized import asks_model


class Wary:
    """Mixed into a client, sync or async: a model's JSON that is nested too deep is refused, not parsed."""

    def _process_response(self, **made: Any) -> Any:
        _look_at(made["response"])
        return super()._process_response(**made)  # type: ignore[misc]  # of the client mixed in

    def _process_response_data(self, *, data: object, cast_to: Any, response: Any) -> Any:
        made = built(cast_to, data)
        if made is None:
            bare: Any = super()
            made = bare._process_response_data(data=data, cast_to=cast_to, response=response)
        return made

    def _make_status_error_from_response(self, response: Any) -> Any:
        bare: Any = super()
        try:
            _look_at(response)
        except TooDeepError:  # the status says enough
            return bare._make_status_error(
                f"Error code: {response.status_code}", body=None, response=response
            )
        return bare._make_status_error_from_response(response)


def _look_at(response: Any) -> None:
    """Look at a body that has been read; one that is read bit by bit is looked at where its events are."""
    if asks_model(response.request) and response.is_closed and response.is_stream_consumed:
        refuse_depth(response.content)
