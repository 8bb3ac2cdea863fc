"""Single files, written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from stylecast.errors import UserError


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written beside its place and rename it, so that there is never half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        beside.replace(path)
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror}); name another place") from error


def write_whole(path: Path, text: str) -> None:
    """Write a text, whole or not at all.

    Raises:
        UserError: the place cannot be written to.
    """
    _write(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all; dates as YYYY-MM-DD.

    Raises:
        UserError: the place cannot be written to.
    """
    write_whole(path, frame.to_csv(index=False, date_format="%Y-%m-%d"))


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all.

    Raises:
        UserError: the place cannot be written to.
    """
    _write(path, lambda beside: frame.to_parquet(beside, index=False))
