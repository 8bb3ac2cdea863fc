"""A feed of four styles, small enough to work out by hand."""

import stylecast  # noqa: F401  # isort: skip
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel

ORIGIN = pd.Timestamp("2024-03-31")
NASTY = '<script>alert("x")</script>'


@pytest.fixture
def make_panel() -> Callable[..., Panel]:
    """Posts a day: a 2, b 4, c 3, d 1 (none before February); from March on a 1, b 4, c 4, d 1."""

    def make(future: int = 0, numeric: bool = True) -> Panel:
        days = pd.date_range("2024-01-01", ORIGIN + pd.Timedelta(days=future))
        count_ST = np.tile(np.array([[2.0], [4.0], [3.0], [1.0]]), (1, len(days)))
        count_ST[3, days < "2024-02-01"] = 0
        count_ST[:, days >= "2024-03-01"] = [[1.0], [4.0], [4.0], [1.0]]
        count_ST[0, days > ORIGIN] = 50.0
        likes_ST = count_ST * np.array([[10.0], [20.0], [0.0], [7.5]])
        numbers = {"likes": likes_ST, "likes_log": np.log1p(likes_ST)} if numeric else {}
        return Panel(("a", "b", "c", "d"), days, count_ST, count_ST.sum(axis=0), numbers, "day", True)

    return make


@pytest.fixture
def forecast() -> pd.DataFrame:
    """Forecasts for May 2024 by the ensemble, and by a model that must not be taken; an earlier origin too."""
    share = np.array([0.15, 0.40, 0.30, 0.15])
    reference, half = np.array([0.1, 0.4, 0.4, 0.1]), 0.5 / 310
    rows = pd.DataFrame(
        {
            "style": ["a", "b", "c", "d"],
            "origin": ORIGIN,
            "target_start": pd.Timestamp("2024-05-01"),
            "target_end": pd.Timestamp("2024-05-31"),
            "model": "ensemble",
            "share": share,
            "lower": share - 0.02,
            "upper": share + 0.03,
            "lower_95": share - 0.04,
            "upper_95": share + 0.06,
            "growth": np.log((share + half) / (reference + half)),
            "p_down": [0.1, 0.2, 0.7, 0.25],
            "p_flat": [0.2, 0.6, 0.2, 0.25],
            "p_up": [0.7, 0.2, 0.1, 0.5],
        }
    )
    other = rows.assign(model="last", share=0.25, growth=[-1.0, 0.5, 1.0, 0.0])
    may_origin = rows.assign(origin=pd.Timestamp("2024-02-29"), share=0.25, growth=0.0)
    may_origin = may_origin.assign(target_start=pd.Timestamp("2024-04-01"), target_end=pd.Timestamp("2024-04-30"))
    return pd.concat([other, may_origin, rows], ignore_index=True)


@pytest.fixture
def styles() -> pd.DataFrame:
    """Names and words, one of them hostile; d has no pictures."""
    return pd.DataFrame(
        {
            "style": ["a", "b", "c", "d"],
            "name": ["旗袍 · 国风", f"{NASTY} & co", "linen shirt", "汉服"],
            "keywords": ["旗袍 国风 复古", f"{NASTY} 牛仔", "linen 亚麻", "汉服 马面裙"],
            "medoids": [["p1/0", "p2/0"], np.array(["p3/0"]), ["p4/0", "p5/1", "p6/0"], None],
            "size": [10, 20, 30, 5],
        }
    )


@pytest.fixture
def metrics() -> pd.DataFrame:
    """A backtest in which the ensemble (0.40 points) beat the best rung, last (0.50 points), by a fifth."""
    return pd.DataFrame(
        {
            "split": ["validation", "test", "test", "test", "test"],
            "model": ["ensemble", "theta", "lightgbm", "last", "ensemble"],
            "mae": [0.001, 0.006, 0.0045, 0.005, 0.004],
            "coverage": [0.5, np.nan, 0.75, np.nan, 0.82],
            "spearman_growth": [0.9, -0.1, 0.3, 0.0, 0.35],
            "origins": 12,
        }
    )
