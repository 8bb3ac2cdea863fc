"""Reading dates and counts as people and platforms write them, and days as options name them."""

import re

import numpy as np
import pandas as pd

from stylecast.errors import UserError

_COUNT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(万|w|千|k|亿|m|百万)?\s*\+?", re.IGNORECASE)
_UNITS = {"": 1.0, "千": 1e3, "k": 1e3, "万": 1e4, "w": 1e4, "百万": 1e6, "m": 1e6, "亿": 1e8}
_DATE = (
    r"^\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?)?\s*$"
)
_COMPACT = r"^\s*(\d{4})(\d{2})(\d{2})\s*$"
_EPOCH = r"^\s*(\d{10}|\d{13})(?:\.\d+)?\s*$"
_NO_YEAR = r"^\s*\d{1,2}[-/.月]\d{1,2}日?(?:\s.*)?$"


def parse_day(text: str, flag: str) -> pd.Timestamp | None:
    """The day that an option names as YYYY-MM-DD; None when the text is empty.

    Args:
        text: what was given.
        flag: the option, for the error.

    Raises:
        UserError: no date.
    """
    if not text:
        return None
    try:
        return pd.to_datetime(text, format="%Y-%m-%d")  # strictly: a guess takes "May" for a day of year 1
    except ValueError as error:
        raise UserError(f"{flag} {text}: no date; write YYYY-MM-DD") from error


def parse_count(text: str) -> float:
    """Read a count: `1234`, `1,234`, `1万`, `1.2w`, `3千`, `10k+`; an empty text is unknown.

    Returns:
        The count, NaN when the text is empty.

    Raises:
        ValueError: no count.
    """
    plain = text.strip().replace(",", "").replace(",", "")
    if not plain or plain.lower() in {"nan", "none", "null"}:
        return float("nan")
    match = _COUNT.fullmatch(plain)
    if match is None:
        raise ValueError(f"{text!r} is no count")
    return float(match[1]) * _UNITS[(match[2] or "").lower()]


def parse_counts(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Read a column of counts.

    Returns:
        The counts (float, NaN = unknown) and the reason why a row was not read ("" = it was).
    """
    values = pd.to_numeric(texts, errors="coerce").astype(float)
    reasons = pd.Series("", index=texts.index, dtype=object)
    for row in texts.index[values.isna()]:
        try:
            values[row] = parse_count(str(texts[row]))
        except ValueError as error:
            reasons[row] = str(error)
    infinite = np.isinf(values)
    reasons[infinite] = "infinite count"
    reasons[values < 0] = "negative count"
    return values, reasons


def parse_times(texts: pd.Series, now: pd.Timestamp) -> tuple[pd.Series, pd.Series]:
    """Read a column of dates and times; the clock time is kept as written, an offset is not applied.

    Year first: `2024-05-17`, `2024/5/17 08:30`, `2024年5月17日`, `20240517`, ISO 8601, or seconds or
    milliseconds since 1970 (taken as UTC).

    Args:
        texts: one text a row.
        now: later dates are refused.

    Returns:
        The times (NaT = unknown) and the reason why a row was refused ("" = it was not).
    """
    texts = texts.astype(str)
    times = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us]")
    for pattern in (_DATE, _COMPACT):
        parts = texts.str.extract(pattern)
        found = parts[0].notna() & times.isna()
        names = ["year", "month", "day", "hour", "minute", "second"][: parts.shape[1]]
        fields = parts[found].set_axis(names, axis=1).fillna("0").astype(int)
        times[found] = pd.to_datetime(fields, errors="coerce").astype("datetime64[us]")
    epoch = texts.str.extract(_EPOCH)[0]
    for digits, unit in ((10, "s"), (13, "ms")):
        found = epoch.str.len().eq(digits) & times.isna()
        stamps = pd.to_datetime(epoch[found].astype("int64"), unit=unit)
        times[found] = stamps.astype("datetime64[us]")
    reasons = pd.Series("", index=texts.index, dtype=object)
    empty = texts.str.strip().str.lower().isin({"", "nan", "nat", "none", "null"})
    reasons[times.isna() & ~empty] = "no date that can be read"
    reasons[times.isna() & texts.str.match(_NO_YEAR)] = "date without a year"
    reasons[times > now] = "date in the future"
    return times, reasons
