"""Counts and dates as people write them."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.values import parse_count, parse_counts, parse_times

NOW = pd.Timestamp("2024-06-30 23:59:59")


@pytest.mark.parametrize(
    ("text", "count"),
    [("1234", 1234), ("1,234", 1234), ("1万", 10_000), ("1.2w", 12_000), ("3千", 3000), ("10k+", 10_000),
     ("1.2W", 12_000), ("2亿", 2e8), ("0", 0), ("3 万+", 30_000)],
)  # fmt: skip
def test_counts(text: str, count: float) -> None:
    assert parse_count(text) == pytest.approx(count)


def test_unknown_and_unreadable_counts() -> None:
    assert math.isnan(parse_count(" "))
    for text in ("many", "1万2", "12e", "--3"):
        with pytest.raises(ValueError, match="no count"):
            parse_count(text)


@given(st.integers(0, 10**9))
def test_plain_numbers_are_themselves(number: int) -> None:
    assert parse_count(str(number)) == number
    assert parse_count(f"{number:,}") == number


def test_a_column_of_counts_tells_reasons() -> None:
    values, reasons = parse_counts(pd.Series(["5", "1.2w", "", "-3", "many"]))
    assert values[:2].tolist() == [5, 12_000]
    assert math.isnan(values[2])
    assert reasons.tolist() == ["", "", "", "negative count", "'many' is no count"]


@pytest.mark.parametrize(
    ("text", "time"),
    [("2024-05-17", "2024-05-17"), ("2024/5/7 8:30", "2024-05-07 08:30"), ("2024年5月17日", "2024-05-17"),
     ("20240517", "2024-05-17"), ("2024-05-17T08:30:15Z", "2024-05-17 08:30:15"),
     ("2024-05-17 08:30:15.25+08:00", "2024-05-17 08:30:15"), ("1715904000", "2024-05-17"),
     ("1715904000000", "2024-05-17")],
)  # fmt: skip
def test_times(text: str, time: str) -> None:
    times, reasons = parse_times(pd.Series([text]), NOW)
    assert reasons[0] == ""
    assert times[0] == pd.Timestamp(time)


def test_refused_times_tell_why() -> None:
    texts = ["05-17", "5月17日", "2025-01-01", "2024-13-01", "yesterday", "", "2024-02-30"]
    times, reasons = parse_times(pd.Series(texts), NOW)
    assert reasons.tolist() == [
        "date without a year", "date without a year", "date in the future", "no date that can be read",
        "no date that can be read", "", "no date that can be read",
    ]  # fmt: skip
    assert times[5] is pd.NaT
