"""How a reply's text becomes a checked value; `guardrails_lite._schema` is the face of this package.

Read in this order: `problems` (what a verdict is made of), `reading` (strict JSON), `mending` and
`finding` (JSON that is broken, fenced or in prose), `fitting` (lossless changes of form), `models` and
`dialects` (the two kinds of schema), `strict` (what the provider is sent), `enforcement` (who enforces what
of it), `parts` (asking again for the wrong part only), `streaming` (the same, while the reply arrives).
"""
