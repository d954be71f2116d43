"""Chat messages: our view of them, and the edge where a client's shapes become it and come back from it.

`_model.py` has what the rest of the library talks about. Only these know how the clients' objects, events and
dicts look: `_reading.py` and `_writing.py` for chat completions, and by way of `_apis.py` those named after
OpenAI's Responses API and Anthropic's. `_agreement.py` and `_beside.py` tell what is wrong or unseen in them,
`_blocks.py` tells turns with tools in either form, `_texts.py` finds the texts of a request, `_seam.py` joins
a reply to its beginning.
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
    with_fields,
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
    "with_fields",
]
