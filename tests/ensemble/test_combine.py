import numpy as np
import pandas as pd
import pytest

from data.windows import Target, split_origins
from ensemble.combine import ENSEMBLE, FORECAST_COLUMNS, combine, forecast_frame, shrunk_search
from ensemble.record_tables import table_text
from ensemble.score import score
from ensemble.walk import walk
from rank.backtest import Backtest, best_rung, run_backtest
from rank.member import Answer, Question
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("calendar-month:2")


class Wise:
    """Knows the truth but for a little noise (no member may, but a test wants a good one); tells classes too."""

    name = "wise"

    def answer(self, question: Question) -> Answer:
        table = question.table
        growth_OS = np.nan_to_num(table.growth_OS[question.places])
        noise_OS = np.random.default_rng(0).normal(0, 0.02, growth_OS.shape)
        classes_OSC = np.full((*growth_OS.shape, 3), 0.05)
        reference_OS, half_O = table.reference_OS[question.places], table.half_O[question.places]
        label_OS = question.thresholds.label(growth_OS, reference_OS, half_O[:, None])
        np.put_along_axis(classes_OSC, label_OS[..., None], 0.9, axis=2)
        return Answer(growth_OS + noise_OS, classes_OSC)


class Foolish:
    name = "foolish"

    def answer(self, question: Question) -> Answer:
        shape = (len(question.split.all), len(question.panel.styles))
        return Answer(np.random.default_rng(1).normal(0, 3, shape), None)


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    panel = make_panel(900)
    return run_backtest(panel, TARGET, split_origins(panel, TARGET, 5, 4), (Wise(), Foolish()))


def test_weights_go_to_the_good_model(backtest: Backtest) -> None:
    combined = combine(backtest, backtest.split.validation)
    weights = dict(zip(backtest.models, combined.weights_M, strict=True))
    assert weights["wise"] > 0.9
    assert weights["foolish"] < 0.01
    assert sum(weights.values()) == pytest.approx(1.0)
    assert combined.belief[-1] > 0.5  # its classes are worth believing
    assert combined.belief[backtest.models.index("foolish")] == 0.0


def test_short_validation_draws_to_equal_weights_of_the_good() -> None:
    said_M = np.array([0.0100, 0.0102, 0.5])  # all too high, so that no blend beats the best

    def loss(weights_M: np.ndarray) -> float:
        return float(weights_M @ said_M)

    one, many = (shrunk_search(loss, 3, origins).weights_M for origins in (1, 100_000))
    assert many == pytest.approx([1, 0, 0], abs=1e-3)
    assert one == pytest.approx([1 / 13 + 6 / 13, 6 / 13, 0])


def test_frame_is_sound(backtest: Backtest) -> None:
    combined = combine(backtest, backtest.split.validation)
    frame = forecast_frame(backtest, combined, backtest.split.test)
    assert tuple(frame.columns) == FORECAST_COLUMNS
    seen = backtest.seen_OS[backtest.places(backtest.split.test)].sum()
    assert frame.groupby("model").size().tolist() == [seen] * (len(backtest.models) + 1)
    numbers = frame[["share", "lower", "upper", "growth", "p_down", "p_flat", "p_up"]].to_numpy()
    assert np.isfinite(numbers).all()
    assert ((frame["lower"] >= 0) & (frame["lower"] <= frame["share"])).all()
    assert ((frame["share"] <= frame["upper"]) & (frame["upper"] <= 1)).all()
    assert ((frame["lower_95"] >= 0) & (frame["lower_95"] <= frame["lower"])).all()
    assert ((frame["upper"] <= frame["upper_95"]) & (frame["upper_95"] <= 1)).all()
    assert frame[["p_down", "p_flat", "p_up"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(frame)))
    totals = frame.groupby(["model", "origin"])["share"].sum().to_numpy()
    assert totals == pytest.approx(np.ones(len(totals)))
    mine = frame[(frame["model"] == ENSEMBLE) & (frame["origin"] == backtest.split.test[0])]
    place = backtest.places(backtest.split.test)[0]
    blend_S = combined.weights_M @ backtest.share_MOS[:, place]
    assert mine["share"].to_numpy() == pytest.approx(blend_S[backtest.seen_OS[place]])
    assert (mine["target_start"] == TARGET.period(backtest.split.test[0])[0]).all()


def test_what_comes_after_validation_touches_neither_weights_nor_test_rows(backtest: Backtest) -> None:
    day = backtest.split.test[1]  # all labels of validation are known by the first test origin
    blind = run_backtest(backtest.panel, TARGET, backtest.split, (Foolish(),))
    moved = run_backtest(with_other_future(backtest.panel, day), TARGET, backtest.split, (Foolish(),))
    before, after = (combine(b, b.split.validation) for b in (blind, moved))
    assert np.array_equal(before.weights_M, after.weights_M)
    rows = [forecast_frame(b, c, b.split.test[:2]) for b, c in ((blind, before), (moved, after))]
    pd.testing.assert_frame_equal(rows[0], rows[1])


def test_scores_by_the_slow_way(backtest: Backtest) -> None:
    found = walk(backtest)
    forecast = found.frame(backtest, backtest.split.test)
    table = score(backtest, found, forecast).set_index(["split", "model"])
    rows = forecast[(forecast["model"] == "foolish")]
    truth = {
        (origin, style): backtest.truth_OS[o, s]
        for o, origin in enumerate(backtest.split.all)
        for s, style in enumerate(backtest.panel.styles)
    }
    true = np.array([truth[o, s] for o, s in zip(rows["origin"], rows["style"], strict=True)])
    told = table.loc[("test", "foolish")]
    assert told["mae"] == pytest.approx(np.abs(true - rows["share"]).mean())
    held = (true >= rows["lower"] - 1e-12) & (true <= rows["upper"] + 1e-12)
    assert told["coverage"] == pytest.approx(held.mean())
    widely = (true >= rows["lower_95"] - 1e-12) & (true <= rows["upper_95"] + 1e-12)
    assert told["coverage_95"] == pytest.approx(widely.mean())
    assert told["coverage"] <= told["coverage_95"]
    rung = best_rung(backtest, backtest.split.validation)
    assert table.loc[("test", rung), "skill"] == pytest.approx(0.0)
    assert told["skill"] == pytest.approx(1 - told["mae"] / table.loc[("test", rung), "mae"])
    assert table.loc[("test", "last"), "spearman_growth"] == 0.0  # it orders nothing
    assert table.loc[("test", "wise"), "spearman_growth"] > 0.9
    assert np.isnan(table.loc[("validation", "wise"), "coverage"])
    text = table_text(backtest, found, table.reset_index())
    assert all(model in text for model in (*backtest.models, ENSEMBLE, "majority", "nested"))


def test_origins_without_a_truth_are_refused(backtest: Backtest) -> None:
    with pytest.raises(ValueError, match="complete target"):
        combine(backtest, pd.DatetimeIndex([backtest.split.latest]))
