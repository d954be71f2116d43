"""A folder that holds a model in the layout of Hugging Face: what is in it, read without running any of it.

A folder is looked at when a validator is made, so that what is missing is said then; what is large is loaded
when a text is first checked. Nothing is looked for anywhere else: a name of a model on a hub is no folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeGuard, TypeVar

from guardrails_lite import ConfigError, MissingPackage
from guardrails_lite.reliability import time_left_s

EXPORTS = ("model.onnx", "onnx/model.onnx")
T = TypeVar("T")


class LoadedOnce(Generic[T]):
    """What is made when it is first asked for, by one thread. A failure is kept by nobody."""

    __slots__ = ("_lock", "_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = Lock()

    def __call__(self) -> T:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made


def folder_of(function: str, folder: str | Path) -> Path:
    """Check that *folder* is one.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(folder, str | Path):
        raise ConfigError(f"folder of {function}(...) must be a path, not {type(folder).__name__}")
    path = Path(folder)
    if not path.is_dir():
        raise ConfigError(
            f"{function}({str(folder)!r}): there is no such folder. It takes the path of a model on this "
            "machine; nothing is downloaded."
        )
    return path


def settings_of(function: str, file: Path) -> Mapping[str, Any]:
    """Read a JSON file of settings.

    Raises:
        ConfigError: it is missing, or holds something else.
    """
    if not file.is_file():
        raise ConfigError(f"{function}(...) needs {file.name} in {str(file.parent)!r}")
    try:
        settings = json.loads(file.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{str(file)!r} of {function}(...) is not JSON") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{str(file)!r} of {function}(...) must hold an object")
    return settings


def export_in(function: str, folder: Path, file: str | None) -> Path | None:
    """Find the ONNX file of a model: *file*, or one of the usual names; None: there is none.

    Raises:
        ConfigError: *file* is not there.
    """
    if file is not None and not (folder / file).is_file():
        raise ConfigError(f"file={file!r} of {function}(...): there is no such file in {str(folder)!r}")
    names = EXPORTS if file is None else (file,)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def pickled_in(folder: Path) -> str:
    """A sentence about the pickled weights in *folder*, where there are some."""
    pickled = ", ".join(sorted(file.name for file in folder.glob("*.bin")))
    return f"Pickled weights ({pickled}) can run code and are not loaded. " if pickled else ""


def need(function: str, *packages: str) -> None:
    """Check that the packages that run a model are installed.

    Raises:
        MissingPackage: one is not.
    """
    if missing := [package for package in packages if find_spec(package) is None]:
        raise MissingPackage.needed_by(
            f"{function}(...)", *missing, install=f"guardrails-lite-validators[{function}]"
        )


def digest_of(files: Iterable[Path]) -> str:
    """Name the contents of *files*, whole: another model in the same place is another validator."""
    told = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            told.update(hashlib.file_digest(opened, "sha256").digest())
    return told.hexdigest()[:16]


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a setting is a whole number above zero."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def check_time() -> None:
    """Stop where the rule's `timeout_s` has passed: nobody waits for the rest any more.

    Raises:
        TimeoutError: it has.
    """
    left = time_left_s()
    if left is not None and left <= 0:
        raise TimeoutError("the time of the check is over")
