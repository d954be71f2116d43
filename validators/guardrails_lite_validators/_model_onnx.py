"""An ONNX file run by onnxruntime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guardrails_lite import ConfigError


class OnnxModel:
    """A loaded ONNX file with named inputs and one output. Many threads may run it at once."""

    def __init__(self, file: Path, *, takes: Sequence[str], what: str) -> None:
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # waits without burning a core
        self._numpy = numpy
        self._file = file
        self._session: Any = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._types = {each.name: _TYPES.get(each.type, "int64") for each in self._session.get_inputs()}
        if unknown := sorted(set(self._types) - set(takes)):
            raise ConfigError(
                f"{str(file)!r} wants {', '.join(unknown)} beside {', '.join(takes)}: it is no export of "
                f"{what}"
            )
        outputs = [each.name for each in self._session.get_outputs()]
        self._output = "logits" if "logits" in outputs else outputs[0]

    def __call__(self, inputs: Mapping[str, Any], *, dimensions: int) -> Any:
        """Run it on those of *inputs* that it takes; an array of numbers.

        Raises:
            ConfigError: the output has another number of dimensions.
        """
        feed = {name: self._numpy.array(inputs[name], dtype=wanted) for name, wanted in self._types.items()}
        told = self._session.run([self._output], feed)[0]
        if told.ndim != dimensions:
            raise ConfigError(
                f"{self._output!r} of {str(self._file)!r} has {told.ndim} dimensions; expected {dimensions}"
            )
        return told


_TYPES = {"tensor(int32)": "int32", "tensor(bool)": "bool"}
