"""The four call styles as values."""

from __future__ import annotations

from guardrails_lite.testing import STYLES, ScriptedModel


def test_each_style_calls_the_models_own_method() -> None:
    """A scripted model is guarded through its function of the style's kind; other functions as they are."""
    model = ScriptedModel()
    assert [str(style) for style in STYLES] == ["run", "arun", "stream", "astream"]
    assert [style.model(model) for style in STYLES] == [model, model.acall, model.stream, model.astream]
    assert all(style.model(len) is len for style in STYLES)
    assert [style.is_async for style in STYLES] == [False, True, False, True]
    assert [style.is_stream for style in STYLES] == [False, False, True, True]
