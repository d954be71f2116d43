"""How a reply's text becomes a checked value; `guardrails_lite._schema` is the face of this package.

Read in this order:

- `problems`: what a verdict is made of.
- `reading` is strict JSON; `mending` and `finding` are for JSON that is broken, fenced or in prose, `fitting`
  for lossless changes of form.
- `models` and `dialects` are the two kinds of schema. Of the second, `compiling` makes the checks from
  `keywords`.
- `strict` is what the provider is sent, `enforcement` says who enforces what of it.
- `parts` asks again for the wrong part only; `streaming` checks a reply while it arrives.
"""
