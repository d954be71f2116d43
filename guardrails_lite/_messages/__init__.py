"""Chat messages: our view of them, and the edge where clients' objects are converted to it and back.

`_model.py` has the types that the rest of the library uses. Only these modules know what the clients'
objects, events and dicts look like: `_reading.py` and `_writing.py` for chat completions and, through
`_apis.py`, the modules named after OpenAI's Responses API and Anthropic's API. `_agreement.py` and
`_beside.py` tell what is wrong or unseen in them, `_blocks.py` describes turns with tools in either form,
`_texts.py` finds the texts of a request, and `_seam.py` joins a reply to its beginning.
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
