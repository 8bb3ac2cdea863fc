"""What the page says of the forecast's worth, by hand."""

import stylecast  # noqa: F401  # isort: skip
import numpy as np
import pandas as pd
import pytest

from ensemble.record import build_record, calibration, errors


def test_the_ensemble_won(metrics: pd.DataFrame) -> None:
    record = build_record(metrics)
    assert (record.verdict, record.good, record.rung, record.origins) == ("won", True, "last", 12)
    assert [row["model"] for row in record.rows] == ["ensemble", "lightgbm", "last", "theta"]
    assert [row["kind"] for row in record.rows] == ["ensemble", "member", "rung", "rung"]
    assert [row["gain"] for row in record.rows] == pytest.approx([0.2, 0.1, 0.0, -0.2])
    assert record.rows[0]["coverage"] == 0.82
    assert record.rows[3]["coverage"] is None


@pytest.mark.parametrize("mae", [0.005, 0.0051])
def test_the_ensemble_did_not_win(metrics: pd.DataFrame, mae: float) -> None:
    metrics.loc[metrics["model"].eq("ensemble") & metrics["split"].eq("test"), "mae"] = mae
    record = build_record(metrics)
    assert (record.verdict, record.good) == ("lost", False)


def test_a_gain_that_may_be_chance_is_no_good_record(metrics: pd.DataFrame) -> None:
    sure = metrics.assign(skill=0.2, skill_low=0.05, skill_high=0.3)
    assert build_record(sure).good
    doubtful = build_record(sure.assign(skill_low=-0.01))
    assert (doubtful.verdict, doubtful.doubtful, doubtful.good) == ("won", True, False)


def test_the_rung_chosen_before_is_that_of_validation(metrics: pd.DataFrame) -> None:
    more = pd.DataFrame({"split": "validation", "model": ["last", "theta"], "mae": [0.003, 0.002]})
    record = build_record(pd.concat([metrics, more]))
    assert (record.chosen, record.rung) == ("theta", "last")
    assert build_record(metrics).chosen == ""


def test_without_a_test_split_nothing_is_known(metrics: pd.DataFrame) -> None:
    for told in (None, metrics[metrics["split"] == "validation"]):
        record = build_record(told)
        assert (record.verdict, record.good, record.rows) == ("none", False, ())
    assert build_record(metrics[metrics["model"] != "ensemble"]).verdict == "incomplete"


def _past(truths: list[float]) -> pd.DataFrame:
    said = {"lower_95": 0.1, "lower": 0.2, "share": 0.3, "upper": 0.4, "upper_95": 0.5}
    days = pd.to_datetime(["2024-01-31", "2024-01-31", "2024-02-29", "2024-02-29"])
    return pd.DataFrame({"origin": days, "model": "ensemble", "truth": truths}).assign(**said)


def test_calibration_counts_truths_below_each_end() -> None:
    # Below 0.1: none. Below 0.2: 0.15. Below 0.3: that and half of 0.3. Below 0.4: those two. Below 0.5: 0.45 too.
    found = calibration(_past([0.15, 0.3, 0.45, 0.9]), 0.8)
    assert [said for said, _ in found] == pytest.approx([0.025, 0.1, 0.5, 0.9, 0.975])
    assert [seen for _, seen in found] == [0.0, 0.25, 0.375, 0.5, 0.75]
    assert calibration(_past([0.1] * 4).iloc[:0], 0.8) == []
    assert calibration(_past([0.1] * 4).assign(lower=np.nan), 0.8) == []


def test_errors_of_each_origin() -> None:
    past = pd.concat([_past([0.15, 0.3, 0.45, 0.9]), _past([0.15, 0.3, 0.45, 0.9]).assign(model="last", share=0.15)])
    found = errors(past)
    assert found["ensemble"].tolist() == pytest.approx([0.075, 0.375])
    assert found["last"].tolist() == pytest.approx([0.075, 0.525])
