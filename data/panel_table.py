"""Reads and checks the tables that a panel is made of: what is wrong is told by file and row.

A row number is the line of the file, the header being line 1; for a table in memory it is the index.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from stylecast.errors import UserError

log = logging.getLogger(__name__)

# Year first, as ISO has it: 2024-03-01, 2024/3/1, 20240301, 2024年3月1日, 2024-03 (a month), with or without a time.
DATE = r"^\s*(\d{4})(?:[-/.年]\s*(\d{1,2})|(\d{2}))(?:[-/.月]\s*(\d{1,2})日?|(\d{2})|月)?(?:[T\s]\s*\d{1,2}:.*)?\s*$"


def read_table(path: Path) -> pd.DataFrame:
    """Reads a CSV, TSV (also compressed) or Parquet file; text columns stay text, so that `007` is not 7.

    Returns:
        The rows with the line number of the file as index (Parquet: row number + 1). Wholly empty lines are left out.

    Raises:
        UserError: the file is missing, empty, of another kind, or not a table.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; name a CSV or Parquet table")
    kind = next((end for end in path.suffixes[::-1] if end.lower() not in {".gz", ".bz2", ".xz", ".zip", ".zst"}), "")
    if kind.lower() in {".parquet", ".pq"}:
        frame = _read_parquet(path)
    elif kind.lower() in {".csv", ".tsv", ".txt"}:
        frame = _read_text(path, "\t" if kind.lower() == ".tsv" else ",")
    else:
        raise UserError(f"{path}: unknown kind of file `{kind}`; give a .csv, .tsv or .parquet table")
    if frame.empty:
        raise UserError(f"{path}: the table has no rows")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: is not a readable Parquet file ({str(error).splitlines()[0]}); write it anew"
        ) from error
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    for encoding in ("utf-8-sig", "gb18030"):  # the second is what spreadsheets in China write
        try:
            frame = pd.read_csv(
                path, sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding=encoding
            )
        except UnicodeDecodeError:
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, EOFError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path}: is not a readable table ({reason}); save it again as UTF-8 CSV") from error
        if encoding != "utf-8-sig":
            log.info("%s is not UTF-8: read as %s", path, encoding)
        frame.columns = frame.columns.str.strip()
        frame = frame.set_axis(pd.RangeIndex(2, len(frame) + 2)).fillna("")
        return frame[(frame != "").any(axis=1)]
    raise UserError(f"{path}: is neither UTF-8 nor GB18030 text; save it again as UTF-8 CSV")


def fail(source: str, row: object, what: str, remedy: str) -> NoReturn:
    """Raises the one-line error for a row."""
    raise UserError(f"{source}, row {row}: {what}; {remedy}")


def need_columns(frame: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    """Raises UserError when a column is missing or stands there twice."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        there = ", ".join(map(str, frame.columns))
        raise UserError(f"{source}: the column `{missing[0]}` is missing (there are: {there}); add or name it")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise UserError(f"{source}: the column `{twice[0]}` stands there twice; rename one")


def parse_styles(values: pd.Series, source: str, allow_empty: bool = False) -> pd.Series:
    """Style ids as stripped text: whole floats lose their `.0`, a missing id is "".

    Raises:
        UserError: a style is missing and `allow_empty` is false.
    """
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")  # a gap turned whole ids into floats
    styles = values.astype("string").str.strip().fillna("")
    empty = styles.index[styles == ""]
    if len(empty) and not allow_empty:
        fail(source, empty[0], "the style is empty", "fill it in or take the row out")
    return styles.astype(object)


def parse_dates(values: pd.Series, source: str) -> pd.Series:
    """Days (datetime64, midnight) of dates written year first; a time of day and its zone are cut off.

    Raises:
        UserError: a date cannot be read, with its row.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        days = values.dt.tz_localize(None).dt.normalize()
    else:
        # A parse for each different text, not for each row: a day stands there once for every style.
        codes, texts = pd.factorize(values.astype("string").fillna(""))
        days = pd.Series(_parse_texts(pd.Series(texts, dtype="string")).to_numpy()[codes], index=values.index)
    bad = days.index[days.isna()]
    if len(bad):
        fail(source, bad[0], f"cannot read the date `{values.loc[bad[0]]}`", "write it as 2024-03-31, with the year")
    return days.astype("datetime64[ns]")


def _parse_texts(texts: pd.Series) -> pd.Series:
    part = texts.str.extract(DATE)
    month = part[1].fillna(part[2])
    day = part[3].fillna(part[4]).fillna("1")
    iso = part[0] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    return pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce")


def parse_numbers(values: pd.Series, name: str, source: str, allow_missing: bool = False) -> pd.Series:
    """Non-negative finite float64; missing entries are NaN where they are allowed.

    Raises:
        UserError: an entry is no number, negative or infinite, with its row.
    """
    text = values.astype("string").str.strip().str.replace(",", "", regex=False) if _is_text(values) else values
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    missing = values.isna() | (text == "").fillna(False) if _is_text(values) else values.isna()
    bad = numbers.index[(numbers.isna() & ~missing) | np.isinf(numbers)]
    if len(bad):
        fail(source, bad[0], f"`{name}` is `{values.loc[bad[0]]}`, no number", "write a plain number")
    if missing.any() and not allow_missing:
        fail(source, missing.index[missing][0], f"`{name}` is missing", "fill it in, or 0, or take the row out")
    negative = numbers.index[numbers < 0]
    if len(negative):
        fail(source, negative[0], f"`{name}` is negative ({values.loc[negative[0]]})", "counts begin at 0")
    return numbers


def _is_text(values: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(values)


def numeric_columns(frame: pd.DataFrame, taken: set[str], source: str) -> dict[str, pd.Series]:
    """The further columns that hold non-negative numbers only, as float64 with 0 for gaps; the others are told."""
    found: dict[str, pd.Series] = {}
    for name in sorted(set(frame.columns) - taken):
        try:
            numbers = parse_numbers(frame[name], name, source, allow_missing=True)
        except UserError as error:
            log.info("column `%s` is not used: %s", name, error)
            continue
        if numbers.notna().any():
            found[name] = numbers.fillna(0.0)
    return found


def refuse_duplicates(clean: pd.DataFrame, source: str) -> None:
    """Raises UserError when a style stands twice on a date."""
    again = clean.index[clean.duplicated(["style", "date"])]
    if len(again):
        style, date = clean.loc[again[0], "style"], clean.loc[again[0], "date"]
        what = f"style `{style}` stands a second time on {date.date()}"
        fail(source, again[0], what, "add such rows up before, or take one out")


def checked_totals(clean: pd.DataFrame, frame: pd.DataFrame, source: str) -> pd.Series:
    """Total of each row's date, checked: one value a date, and no count above it."""
    sums = clean.groupby("date")["count"].transform("sum")
    if "total" not in frame.columns:
        log.info("%s: no column `total`: the total of a date is the sum of its counts", source)
        return sums
    total = parse_numbers(frame["total"], "total", source, allow_missing=True)
    told = total.groupby(clean["date"]).transform("first")  # the first that is there
    differs = total.index[total.notna() & ~np.isclose(total, told, rtol=1e-9, atol=1e-9)]
    if len(differs):
        row = differs[0]
        what = f"`total` is {total[row]:g}, but {told[row]:g} in another row of {clean.loc[row, 'date'].date()}"
        fail(source, row, what, "a date has one total: that of the whole feed")
    if told.isna().any():
        log.info("%s: %d rows have no `total`: the sum of the counts of their date is taken", source, told.isna().sum())
    told = told.fillna(sums)
    above = clean.index[clean["count"] > told * (1 + 1e-9) + 1e-9]
    if len(above):
        row = above[0]
        what = f"count {clean.loc[row, 'count']:g} is above the total {told[row]:g}"
        fail(source, row, what, "the total of a date holds the posts of every style")
    return told
