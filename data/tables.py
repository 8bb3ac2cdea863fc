"""Reading a table of posts from CSV, TSV, JSON lines or Parquet, every value as text, every row with its line."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pandas as pd

from stylecast.errors import UserError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@contextmanager
def _open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    # utf-8-sig: Excel writes a byte order mark before the first column's name.
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        yield text


def kind_of(path: Path) -> str:
    """The format that a file's name tells, without `.gz`.

    Raises:
        UserError: another format, or no such file.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: the name must end in one of {', '.join(SUFFIXES)} (text may be gzipped: .csv.gz)")
    return suffix.lower()


def read_table(path: Path, encoding: str = "utf-8") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`, `.ndjson` (each also `.gz`) or `.parquet`.
        encoding: of the text formats.

    Returns:
        The rows as text ("" = missing; lists joined by `;`) with a column `line`, the line of the file on
        which the row starts (of Parquet: the row's number, from 1), and the rows that could not be read as
        `line, reason`.

    Raises:
        UserError: no such file, another format, wrong encoding, or no header.
    """
    kind = kind_of(path)
    try:
        if kind == ".parquet":
            return _read_parquet(path)
        with _open_text(path, encoding) as text:
            if kind in (".csv", ".tsv"):
                return _read_delimited(path, text, "," if kind == ".csv" else "\t")
            return _read_json_lines(text)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not {encoding} ({error.reason} at byte {error.start}); try --encoding gb18030"
        ) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: damaged gzip file ({error})") from error


def _read_delimited(path: Path, text: TextIO, delimiter: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(text, delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise UserError(f"{path}: line 1: no header; the first line must name the columns")
    doubled = {name for name in header if header.count(name) > 1}
    if doubled:
        raise UserError(f"{path}: line 1: the column {sorted(doubled)[0]!r} stands twice; rename one")
    rows: list[list[str]] = []
    lines: list[int] = []
    bad: list[tuple[int, str]] = []
    line = reader.line_num + 1
    for row in reader:
        if len(row) == len(header):
            rows.append(row)
            lines.append(line)
        elif row:
            bad.append((line, f"{len(row)} fields where the header has {len(header)}"))
        line = reader.line_num + 1
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    return frame.assign(line=lines), pd.DataFrame(bad, columns=["line", "reason"])


def _plain(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, list | tuple):
        return ";".join(_plain(v) for v in value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)


def _read_json_lines(text: TextIO) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows: list[dict[str, str]] = []
    bad: list[tuple[int, str]] = []
    for line, content in enumerate(text, start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            bad.append((line, f"not JSON: {error.msg}"))
            continue
        if not isinstance(row, dict):
            bad.append((line, "not a JSON object"))
            continue
        rows.append({**{k: _plain(v) for k, v in row.items()}, "line": line})  # type: ignore[dict-item]
    frame = pd.DataFrame(rows).fillna("") if rows else pd.DataFrame({"line": []})
    return frame, pd.DataFrame(bad, columns=["line", "reason"])


def _read_parquet(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises several unrelated types for damaged files
        raise UserError(f"{path}: cannot be read as Parquet ({error})") from error
    for name in frame.select_dtypes("floating"):
        known = frame[name].dropna()
        if ((known % 1 == 0) & (known.abs() < 2**53)).all():  # whole numbers, which a gap turned into floats
            frame[name] = frame[name].astype("Int64").astype(object).where(frame[name].notna(), None)
    text = frame.map(_plain) if len(frame) else frame.astype(object)
    return text.assign(line=range(1, len(frame) + 1)), pd.DataFrame(columns=["line", "reason"])
