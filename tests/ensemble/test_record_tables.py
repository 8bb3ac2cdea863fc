"""A backtest told to people: skill with its interval, by style, by origin, and the classes by level."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.windows import Target, split_origins
from ensemble.combine import ENSEMBLE
from ensemble.figures import skill_text
from ensemble.record_tables import per_origin, per_style, table_text
from ensemble.score import score
from ensemble.walk import Walk, walk
from rank.backtest import Backtest, best_rung, run_backtest
from rank.edges import Edges
from tests.rank.world import make_panel

TARGET = Target.parse("calendar-month:2")
Told = tuple[Backtest, Walk, pd.DataFrame]


@pytest.fixture(scope="module", params=["change", "level", "band:5"])
def told(request: pytest.FixtureRequest) -> Told:
    panel = make_panel(800)
    backtest = run_backtest(panel, TARGET, split_origins(panel, TARGET, 4, 4), (), classes=request.param)
    found = walk(backtest)
    return backtest, found, found.frame(backtest, backtest.split.test)


def test_skill_as_text() -> None:
    assert skill_text(0.128, 0.041, 0.199) == "12.8% (4.1–19.9)"
    assert skill_text(-0.05, -0.1, 0.02) == "−5.0% (−10.0 to 2.0)"
    assert skill_text(0.128, np.nan, np.nan) == "12.8%"


def test_skill_lies_within_its_interval(told: Told) -> None:
    table = score(*told).set_index(["split", "model"])
    assert (table["skill_low"] <= table["skill"]).all()
    assert (table["skill"] <= table["skill_high"]).all()
    rung = best_rung(told[0], told[0].split.validation)
    for split in ("validation", "test"):
        assert table.loc[(split, rung), ["skill_low", "skill", "skill_high"]].tolist() == [0.0, 0.0, 0.0]
    row = table.loc[("test", ENSEMBLE)]
    text = table_text(told[0], told[1], table.reset_index())
    assert skill_text(row["skill"], row["skill_low"], row["skill_high"]) in text
    assert f"{row['width_95']:.3g}" in text
    names = {"level": "low, middle, high;", "band:5": "falls, holds, rises (holds: within ±5%);"}
    assert f"classes: {names.get(told[0].thresholds.rule, 'falls, holds, rises;')}" in text


def test_by_style_and_origin_the_slow_way(told: Told) -> None:
    backtest, _, forecast = told
    truth = pd.DataFrame(backtest.truth_OS, backtest.split.all, backtest.panel.styles).stack()
    rows = forecast[forecast["model"] == ENSEMBLE].copy()
    rows["true"] = [truth.get((o, s), np.nan) for o, s in zip(rows["origin"], rows["style"], strict=True)]
    rows = rows.dropna(subset=["true"])
    rows["miss"], rows["held"] = (
        (rows["share"] - rows["true"]).abs(),
        rows["true"].between(rows["lower"], rows["upper"]),
    )
    rung = best_rung(backtest, backtest.split.validation)
    base = forecast[forecast["model"] == rung].set_index(["origin", "style"])["share"]
    rows["rung"] = [abs(base[o, s] - t) for o, s, t in zip(rows["origin"], rows["style"], rows["true"], strict=True)]
    for key, table in (("style", per_style(*told)), ("origin", per_origin(*told))):
        mine = table[(table["split"] == "test") & (table["model"] == ENSEMBLE)].set_index(key).sort_index()
        means = rows.groupby(key)[["miss", "held", "rung"]].mean().sort_index()
        assert mine.index.tolist() == means.index.tolist()
        assert mine["mae"].to_numpy() == pytest.approx(means["miss"].to_numpy())
        assert mine["coverage"].to_numpy() == pytest.approx(means["held"].to_numpy())
        assert mine["skill"].to_numpy() == pytest.approx(
            (1 - means["miss"] / means["rung"].replace(0.0, np.nan)).to_numpy(), nan_ok=True
        )
        assert set(table["split"]) == {"validation", "test"}


def test_level_classes_are_of_the_share_to_come(told: Told) -> None:
    backtest, walked, forecast = told
    if backtest.thresholds.of != "level":
        backtest = replace(backtest, thresholds=Edges(0.08, 0.15, "level"))
        walked = walk(backtest)
        forecast = walked.frame(backtest, backtest.split.test)
    low, high = backtest.thresholds.low, backtest.thresholds.high
    seen = backtest.cells(backtest.split.test)
    by_hand = np.digitize(backtest.truth_OS[seen], [low, high])
    assert backtest.label_OS[seen].tolist() == by_hand.tolist()
    # A share far above the upper edge is said to be high, one far below the lower one low.
    rows = forecast[forecast["model"] == ENSEMBLE]
    assert (rows.loc[rows["share"] > 1.6 * high, "p_up"] > 0.5).all()
    assert (rows.loc[rows["share"] < 0.3 * low, "p_down"] > 0.5).all()
    table = score(backtest, walked, forecast).set_index(["split", "model"])
    assert table.loc[("test", "last"), "accuracy"] > table.loc[("test", "last"), "majority_accuracy"]
    assert 0 <= table.loc[("test", "last"), "reversion_accuracy"] <= 1
