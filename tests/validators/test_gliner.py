"""`gliner`: zero-shot entities from a folder, run on models that the tests make."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails_lite import Blocked, ConfigError, Guard, Validator, block, redact
from guardrails_lite.reliability._deadline import time_limit
from guardrails_lite.testing import ScriptedModel, check_validator
from guardrails_lite_validators import gliner
from guardrails_lite_validators._gliner_folder import GlinerFolder
from guardrails_lite_validators._gliner_run import GlinerModel

small_models = pytest.importorskip(
    "small_models",
    reason="onnx, or the extra guardrails-lite-validators[gliner], is not installed",
    exc_type=ModuleNotFoundError,
)

VECTORS = {
    "person": (2.0, 0.0, 0.0),
    "location": (0.0, 2.0, 0.0),
    "medicine": (0.0, 0.0, 2.0),
    "ada": (4.0, 0.0, 0.0),
    "lovelace": (4.0, 0.0, 0.0),
    "paris": (2.5, 4.0, 0.0),
    "saint": (0.0, 4.0, 0.0),
    "aspirin": (0.0, 0.0, 4.0),
}
TEXT = "I met Ada Lovelace near Saint-Denis, in Paris."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a few words."""
    return small_models.write_gliner(tmp_path_factory.mktemp("models") / "gliner", VECTORS)  # type: ignore[no-any-return]


def found(find: Validator, text: str) -> list[tuple[str | None, str]]:
    """Categories and what was found."""
    return [(each.category, text[slice(*each.span)]) for each in find(text) if each.span]


def test_entities_are_found_under_the_names_of_presidio(model: Path) -> None:
    """Of several words, of words of several tokens, and under the surest of its names."""
    find = gliner(model, entities=["PERSON", "LOCATION"])

    assert found(find, TEXT) == [
        ("PERSON", "Ada Lovelace"),
        ("LOCATION", "Saint-Denis"),
        ("LOCATION", "Paris"),
    ]
    assert found(gliner(model, entities=["PERSON"]), TEXT) == [
        ("PERSON", "Ada Lovelace"),
        ("PERSON", "Paris"),
    ]
    assert found(gliner(model, entities=["PERSON"], threshold=0.9), TEXT) == [("PERSON", "Ada Lovelace")]


@pytest.mark.parametrize(
    "before", ["Zoë 🧑‍🚀 ", "安达 在 ", "e\u0301\u200b\ufeff ", "\ud800\udfff ", "\U0001f1eb\U0001f1f7\0"]
)
def test_spans_count_characters(model: Path, before: str) -> None:
    """Whatever stands before an entity, however many bytes or tokens it takes."""
    find = gliner(model, entities=["PERSON"])

    assert [each.span for each in find(f"{before}Ada Lovelace. ")] == [(len(before), len(before) + 12)]


def test_threads_share_one_model(model: Path) -> None:
    """Also those that come before it is loaded, and each gets the answer to its own text."""
    find = gliner(model, entities=["PERSON"])
    texts = ["x " * nth + "Ada" for nth in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(find, texts))

    assert [[each.span for each in answer] for answer in answers] == [
        [(2 * nth, 2 * nth + 3)] for nth in range(40)
    ]


def test_the_model_is_asked_in_words_of_the_users(model: Path) -> None:
    """For whatever it was not trained on."""
    find = gliner(model, entities={"DRUG": "medicine", "PERSON": "person"})

    assert found(find, "Ada takes aspirin.") == [("PERSON", "Ada"), ("DRUG", "aspirin")]


def test_it_keeps_the_promises_of_a_validator(model: Path) -> None:
    """Any text is answered, in bounded time, with spans inside it."""
    find = gliner(model, max_chars=1_000)

    check_validator(find, examples=[TEXT, "(Paris)"], benign=["", "I met nobody.", "\ud800 <<ENT>> <<SEP>>"])


def test_a_guard_masks_what_it_finds(model: Path) -> None:
    """Nothing of an entity reaches the target."""
    scripted = ScriptedModel(["Hello."])
    Guard(input=[redact(gliner(model))]).run(scripted, TEXT)

    assert "I met [PERSON] near [LOCATION], in [LOCATION]." in str(scripted.calls[0].messages)


def test_a_guard_in_a_file_names_it(model: Path, tmp_path: Path) -> None:
    """By its entry point."""
    rule = f'[[input]]\nredact = "gliner"\nfolder = {json.dumps(str(model))}\nentities = ["PERSON"]\n'
    (tmp_path / "guard.toml").write_text(rule + "threshold = 0.9\n")

    assert Guard.from_file(tmp_path / "guard.toml").check("Ada?").text == "[PERSON]?"


@given(before=st.integers(0, 25), after=st.integers(0, 25))
@settings(max_examples=60, deadline=None)
def test_no_border_of_a_window_cuts_an_entity(model: Path, before: int, after: int) -> None:
    """Ten words are read at a time, and the last three of them again."""
    text = "x, " * before + "Ada of Lovelace" + " y" * after

    assert found(gliner(model, entities=["PERSON"]), text) == [("PERSON", "Ada of Lovelace")]


def test_the_tokens_of_a_window_are_counted_too(tmp_path: Path) -> None:
    """A window ends where the model's input does, and a word that does not fit into one is a finding."""
    folder = small_models.write_gliner(
        tmp_path / "m", VECTORS, encoder_config={"model_type": "bert", "max_position_embeddings": 16}
    )
    find = gliner(folder, entities=["PERSON", "LOCATION"])
    long = "-".join("x" * 9)

    assert found(find, "a-b-c " * 9 + TEXT)[0] == ("PERSON", "Ada Lovelace")
    assert found(find, f"Ada {long} in Paris") == [
        ("PERSON", "Ada"),
        ("NOT_READ", long),
        ("LOCATION", "Paris"),
    ]


def test_what_is_not_read_is_found(model: Path) -> None:
    """A text beyond the limit does not pass unread."""
    find = gliner(model, max_chars=20)

    assert found(find, "I met somebody in May, whom I call Ada") == [("NOT_READ", "y, whom I call Ada")]
    with pytest.raises(Blocked):
        Guard(input=[block(find)]).run(ScriptedModel(["Hi."]), "I met somebody whom I call Ada")


def test_making_it_loads_nothing_and_running_it_opens_no_socket(model: Path) -> None:
    """The packages are imported when a text is first checked; PyTorch is none of them."""
    code = (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event.startswith('socket.'): raise RuntimeError(event)\n"
        "sys.addaudithook(hook)\n"
        "from guardrails_lite_validators import gliner\n"
        f"find = gliner({str(model)!r})\n"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules)))\n"
        "print(len(find('Ada')), sorted({'torch', 'gliner'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["[]", "1 []"]


def test_it_stops_when_its_time_is_over(model: Path) -> None:
    """Between two windows."""
    with time_limit(0), pytest.raises(TimeoutError):
        gliner(model)(TEXT)


def test_a_model_that_gives_no_numbers_breaks_the_check(tmp_path: Path) -> None:
    """Nothing compares as more than not-a-number, so it would pass everything."""
    vectors = {"person": (2.0,), "ada": (float("nan"),)}
    find = gliner(small_models.write_gliner(tmp_path / "m", vectors), entities=["PERSON"])

    with pytest.raises(Blocked) as caught:
        Guard(input=[block(find)]).run(ScriptedModel(["Hi."]), "Ada")

    assert caught.value.record is not None
    assert [check.result for check in caught.value.record.checks] == ["broken"]


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _with(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "gliner_config.json").read_text()) | changes
        (folder / "gliner_config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("gliner_config.json"), "needs gliner_config.json in"),
        (_without("tokenizer.json"), r"has no tokenizer.json. Where you have .*save_pretrained"),
        (
            _without("model.onnx"),
            r"has none of model.onnx, onnx/model.onnx. Where you have the package gliner",
        ),
        (
            lambda folder: (folder / "model.onnx").rename(folder / "pytorch_model.bin"),
            r"Pickled weights \(pytorch_model.bin\) can run code and are not loaded",
        ),
        (_with(span_mode="token_level"), "a kind that is not run here .span_mode='token_level'"),
        (_with(labels_encoder="bert"), "a kind that is not run here .labels_encoder='bert'"),
        (_with(max_len="many"), "max_len='many' in gliner_config.json in .* must be a whole number"),
    ],
)
def test_a_folder_that_holds_no_such_model_is_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    """When the validator is made, with what to do."""
    folder = small_models.write_gliner(tmp_path / "m", VECTORS)
    change(folder)

    with pytest.raises(ConfigError, match=message):
        gliner(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with(max_width=2), r"gives numbers of shape \(1, 2, 3, 3\); expected \(1, 3, 2, 3\) for 3 words"),
        (_with(ent_token="[[E]]"), r"does not know the token '\[\[E\]\]'"),
        (_with(encoder_config={"max_position_embeddings": 8}), "take 9 of the 8 tokens that the model reads"),
    ],
)
def test_a_model_that_is_otherwise_than_its_settings_say_is_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    """When it is run, for only then it shows."""
    folder = small_models.write_gliner(tmp_path / "m", VECTORS)
    change(folder)

    with pytest.raises(ConfigError, match=message):
        gliner(folder)("Ada met Paris")


def test_settings_are_checked_when_it_is_made(model: Path) -> None:
    """As far as they can be without the model."""
    with pytest.raises(ConfigError, match="there is no such folder"):
        gliner("some-hub/some-model")
    with pytest.raises(ConfigError, match=r"entities of gliner.* is a single string"):
        gliner(model, entities="PERSON")
    with pytest.raises(
        ConfigError, match=r"entities of gliner.* must be a list of strings, none of them empty"
    ):
        gliner(model, entities={"PERSON": ""})
    with pytest.raises(ConfigError, match=r"threshold=2 of gliner.* from 0 to 1"):
        gliner(model, threshold=2)
    with pytest.raises(ConfigError, match=r"max_chars=0 of gliner.* 1 or more"):
        gliner(model, max_chars=0)


def test_it_prints_as_the_code_that_made_it(model: Path) -> None:
    """What is as by default is left out."""
    assert repr(gliner(model)) == f"gliner(folder={str(model)!r})"


def test_an_export_of_the_package_gives_what_the_package_gives(tmp_path: Path) -> None:
    """The same scores of the same spans. Needs PyTorch, which is too large to fetch for a test run."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("gliner", reason="the package gliner is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from gliner.config import UniEncoderSpanConfig
    from gliner.model import UniEncoderSpanGLiNER

    names = ["person", "location"]
    small_models.write_tokenizer(tmp_path, list(VECTORS))
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), **special
    )
    tokenizer.add_tokens(["[FLERT]", "<<ENT>>", "<<SEP>>"], special_tokens=True)
    encoder = {
        "model_type": "bert",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "initializer_range": 1.0,
    }
    torch.manual_seed(3)
    config = UniEncoderSpanConfig(
        model_name="random",
        hidden_size=32,
        max_width=4,
        encoder_config=encoder,
        vocab_size=len(tokenizer),
        class_token_index=tokenizer.convert_tokens_to_ids("<<ENT>>"),
        dropout=0.0,
    )
    random = UniEncoderSpanGLiNER(config, tokenizer=tokenizer, backbone_from_pretrained=False).eval()
    random.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        random.export_to_onnx(tmp_path)
        told = random.predict_entities(TEXT, names, threshold=0.0)
    ours = GlinerModel(GlinerFolder.read(tmp_path, None), names)
    (words,) = ours.windows(TEXT)
    assert isinstance(words, list)
    scores = {(one.start, one.end, names[one.nth]): one.score for one in ours.entities(words, 0.0)}
    theirs = {(one["start"], one["end"], one["label"]): one["score"] for one in told}

    assert max(scores, key=lambda place: scores[place]) in theirs
    for place, score in theirs.items():  # the package keeps the best of those that overlap
        assert scores[place] == pytest.approx(score, abs=1e-4)
