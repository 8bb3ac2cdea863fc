"""The forecaster as an estimator: what the commands write, from a frame; saved, and read from a run of `rank`."""

from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ensemble.combine import FORECAST_COLUMNS
from ensemble.forecast import BacktestConfig, BacktestSettings, backtest_main
from ensemble.forecaster import ShareForecaster
from rank.boost import BoostConfig
from stylecast.errors import UserError
from tests.rank.world import make_panel

QUICK = ShareForecaster(members=("gaussian-process", "lightgbm"), test_origins=4,
                        boost=BoostConfig(rounds=5, threads=1, refit_every=3))  # fmt: skip


def frame(kind: str = "day") -> pd.DataFrame:
    rows = make_panel(700, 5, 40).to_frame().drop(columns="share")
    if kind == "month":
        rows["date"] = rows["date"].dt.to_period("M").dt.start_time
        rows = rows.groupby(["style", "date"], as_index=False).sum()
        rows["total"] = rows.groupby("date")["count"].transform("sum")
    return rows


@pytest.fixture(scope="module")
def fitted() -> ShareForecaster:
    return clone(QUICK).fit(frame())


def test_parameters_are_the_settings() -> None:
    assert ShareForecaster().config() == BacktestSettings()
    names = sorted(field.name for field in fields(BacktestSettings))
    assert sorted(QUICK.get_params(deep=False)) == names
    assert clone(QUICK).set_params(interval=0.5).config().interval == 0.5
    with pytest.raises(NotFittedError):
        QUICK.predict()


def test_the_same_as_the_command_writes(fitted: ShareForecaster, tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "panel.parquet", index=False)
    backtest_main(BacktestConfig(panel=tmp_path / "panel.parquet", out=tmp_path / "out", figures=False,
                                 **vars(QUICK.config())))  # fmt: skip
    told = pd.read_csv(tmp_path / "out" / "next.csv", parse_dates=["origin", "target_start", "target_end"])
    found = fitted.predict()
    assert tuple(found.columns) == FORECAST_COLUMNS
    pd.testing.assert_frame_equal(found, told, check_dtype=False)
    past = pd.concat([fitted.predict(str(day.date())) for day in fitted.origins_[:-1]], ignore_index=True)
    written = pd.read_csv(tmp_path / "out" / "forecast.csv", parse_dates=["origin", "target_start", "target_end"])
    keys = ["model", "origin", "style"]
    one, two = (table.sort_values(keys, ignore_index=True) for table in (past, written))
    pd.testing.assert_frame_equal(one, two, check_dtype=False)
    assert fitted.table_ == (tmp_path / "out" / "table.txt").read_text(encoding="utf-8").strip()
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv")
    pd.testing.assert_frame_equal(fitted.record_, metrics, check_dtype=False)
    assert len(fitted.record_by("style")) == len(pd.read_csv(tmp_path / "out" / "per_style.csv"))
    assert sum(fitted.weights_["weights"].values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["day", "month"])
def test_saved_and_read_back_to_the_last_bit(kind: str, fitted: ShareForecaster, tmp_path: Path) -> None:
    found = fitted if kind == "day" else clone(QUICK).fit(frame(kind))
    found.save_pretrained(tmp_path / "kept")
    again = ShareForecaster.from_pretrained(tmp_path / "kept")
    assert again.config() == found.config()
    for origin in found.origins_:
        pd.testing.assert_frame_equal(again.predict(origin), found.predict(origin), check_exact=True)
    pd.testing.assert_frame_equal(again.record_, found.record_)
    arrays = tmp_path / "kept" / "backtest.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-8] + bytes(8))
    with pytest.raises(UserError, match=r"damaged.*save it again"):
        ShareForecaster.from_pretrained(tmp_path / "kept")


def test_what_cannot_be_asked_or_read(fitted: ShareForecaster) -> None:
    with pytest.raises(ValueError, match=r"no forecast was made from 2019-01-01; there are: 20"):
        fitted.predict("2019-01-01")
    with pytest.raises(ValueError, match="one of style, origin"):
        fitted.record_by("day")
    with pytest.raises(ValueError, match=r"^interval 80 is no part"):
        clone(QUICK).set_params(interval=80).fit(frame())
    with pytest.raises(ValueError, match="the frame"):
        clone(QUICK).fit(frame().drop(columns="style"))
    with pytest.raises(ValueError, match="whole months are needed"):
        clone(QUICK).fit(frame().query("date < '2021-06-01'"))
