"""Chat messages: our view of them, and the edge where a client's shapes become it and come back from it.

`_model.py` has what the rest of the library talks about. Only these know how OpenAI's objects, events and
dicts look: `_reading.py` and `_writing.py`, and for the Responses API `_responses.py` and
`_responses_writing.py`. `_agreement.py`, `_beside.py` and `_responses_beside.py` tell what is wrong or unseen
in them, `_texts.py` finds the texts of a request, `_seam.py` joins a reply to its beginning.
"""

from guardrails_lite._messages._model import (
    Call,
    Choice,
    Message,
    RefusedCall,
    Reply,
    ToolCall,
    Usage,
    fields_of,
    get,
    set_field,
    told_call,
)

__all__ = [
    "Call",
    "Choice",
    "Message",
    "RefusedCall",
    "Reply",
    "ToolCall",
    "Usage",
    "fields_of",
    "get",
    "set_field",
    "told_call",
]
