from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from data.windows import Target, origin_days
from ensemble.combine import FORECAST_COLUMNS
from ensemble.forecast import BacktestConfig, ForecastConfig, backtest_main, forecast_main
from ensemble.plots import FIGURES
from rank.boost import BoostConfig
from rank.fusion_config import tiny
from stylecast.errors import UserError
from tests.rank.world import make_panel

QUICK = BoostConfig(rounds=5, threads=1, refit_every=3)
FAST = ("gaussian-process", "lightgbm")


def write_panel(folder: Path, kind: str, days: int = 750, per_day: int = 40, gaps: bool = True) -> Path:
    """A panel file with late births, a dead style, ids like 007, gaps and a BOM."""
    frame = make_panel(days, 6, per_day).to_frame().drop(columns="share")
    frame["style"] = frame["style"].map(
        {f"款式{n:02d}": name for n, name in enumerate(["007", "7", "NA", "大衣", "死", "生"])}
    )
    if kind == "week":
        frame["date"] -= pd.to_timedelta(frame["date"].dt.dayofweek, unit="D")
    if kind == "month":
        frame["date"] = frame["date"].dt.to_period("M").dt.start_time
    frame = frame.groupby(["style", "date"], as_index=False).sum()
    frame["total"] = frame.groupby("date")["count"].transform("sum")
    if gaps:
        frame = frame[frame["count"] > 0]
    if kind == "day" and gaps:
        frame = frame[~frame["date"].between("2021-06-05", "2021-06-20")]
    frame.to_csv(folder / "panel.csv", index=False, encoding="utf-8-sig")
    return folder / "panel.csv"


def sound(frame: pd.DataFrame) -> None:
    assert tuple(frame.columns) == FORECAST_COLUMNS
    assert set(frame["style"]) <= {"007", "7", "NA", "大衣", "死", "生"}
    numbers = frame[["share", "lower", "upper", "growth", "p_down", "p_flat", "p_up"]].to_numpy()
    assert np.isfinite(numbers).all()
    assert ((frame["lower"] >= 0) & (frame["lower"] <= frame["share"]) & (frame["share"] <= frame["upper"])).all()
    assert (frame["upper"] <= 1).all()
    assert frame[["p_down", "p_flat", "p_up"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(frame)))
    assert not frame.duplicated(["style", "origin", "model"]).any()


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"style": str}, keep_default_na=False, parse_dates=["origin"])


@pytest.mark.parametrize("kind", ["day", "week", "month"])
def test_backtest_of_a_panel_file(tmp_path: Path, kind: str) -> None:
    path = write_panel(tmp_path, kind)
    out = tmp_path / "out"
    said = backtest_main(BacktestConfig(panel=path, out=out, test_origins=5, boost=QUICK, members=FAST))
    forecast, following, metrics = read(out / "forecast.csv"), read(out / "next.csv"), pd.read_csv(out / "metrics.csv")
    sound(forecast)
    sound(following)
    assert forecast["origin"].nunique() == 5
    assert following["origin"].nunique() == 1
    panel = Panel.read(path)
    assert following["origin"][0] == origin_days(panel, Target.parse("calendar-month:2"))[-1]
    assert {"last", "theta", "seasonal-naive", "lightgbm", "ensemble"} <= set(forecast["model"])
    assert (
        forecast.groupby(["origin"])
        .size()
        .eq(forecast["model"].nunique() * forecast.groupby("origin")["style"].nunique())
        .all()
    )
    assert set(metrics["split"]) == {"validation", "test"}
    assert set(metrics["model"]) == set(forecast["model"])
    assert "ensemble" in said
    assert (out / "table.txt").read_text(encoding="utf-8").strip() in said
    tables = {"forecast.csv", "metrics.csv", "next.csv", "per_origin.csv", "per_style.csv", "table.txt"}
    drawn = {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    kept = {"weights.json", "reasons.parquet", "episodes.parquet"}
    assert {file.name for file in out.iterdir()} == tables | kept | drawn
    test = metrics[metrics["split"] == "test"].set_index("model")
    by_origin = pd.read_csv(out / "per_origin.csv")
    of_test = by_origin[by_origin["split"] == "test"]
    for model, rows in of_test.groupby("model"):
        assert (rows["mae"] * rows["cells"]).sum() / rows["cells"].sum() == pytest.approx(test["mae"][model])


def test_forecast_of_a_panel_file_whatever_the_order_of_rows(tmp_path: Path) -> None:
    path = write_panel(tmp_path, "day", 500)
    forecast_main(ForecastConfig(panel=path, out=tmp_path / "a.csv", boost=QUICK, members=FAST))
    pd.read_csv(path, dtype=str, keep_default_na=False).sample(frac=1, random_state=0).to_csv(
        tmp_path / "p.csv", index=False
    )
    forecast_main(ForecastConfig(panel=tmp_path / "p.csv", out=tmp_path / "b.csv", boost=QUICK, members=FAST))
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    frame = read(tmp_path / "a.csv")
    sound(frame)
    assert (frame["target_start"] == "2022-06-01").all()  # day 500 is 15 May 2022; April is the last whole month
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("per_day", [1, 30_000])
def test_tiny_and_huge_feeds(tmp_path: Path, per_day: int) -> None:
    path = write_panel(tmp_path, "day", 420, per_day)
    forecast_main(ForecastConfig(panel=path, out=tmp_path / "a.csv", boost=QUICK, members=FAST))
    sound(read(tmp_path / "a.csv"))


def test_the_shortest_history_that_will_do_and_a_shorter_one(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    enough = write_panel(tmp_path, "day", 151)
    forecast_main(ForecastConfig(panel=enough, out=out, boost=QUICK, members=FAST))
    sound(read(out))
    less = write_panel(tmp_path, "day", 120)
    with pytest.raises(UserError, match="5 whole months are needed"):
        forecast_main(ForecastConfig(panel=less, out=out, boost=QUICK, members=FAST))
    with pytest.raises(UserError, match="18 whole months are needed"):
        backtest_main(BacktestConfig(panel=write_panel(tmp_path, "day", 400), out=tmp_path, test_origins=12))


def test_days_ahead(tmp_path: Path) -> None:
    path, out = write_panel(tmp_path, "day", 300), tmp_path / "out"
    backtest_main(BacktestConfig(panel=path, out=out, target="days:10-15", test_origins=4, boost=QUICK, members=FAST))
    sound(read(out / "forecast.csv"))


def test_items_of_several_styles_are_left_free(tmp_path: Path) -> None:
    frame = make_panel(500, 4).to_frame()[["style", "date", "count"]]
    frame["total"] = frame.groupby("date")["count"].transform("sum").clip(lower=1) * 0.8
    frame["count"] = frame[["count", "total"]].min(axis=1)
    frame.to_csv(tmp_path / "p.csv", index=False)
    forecast_main(ForecastConfig(panel=tmp_path / "p.csv", out=tmp_path / "a.csv", boost=QUICK, members=FAST))
    said = pd.read_csv(tmp_path / "a.csv")
    assert (said[said["model"] == "last"]["share"].sum()) > 1.1


def test_shares_sum_to_one_unless_they_are_said_to_be_free(tmp_path: Path) -> None:
    path, sums = write_panel(tmp_path, "month", 640), {}
    for said in ("auto", "no"):
        out = tmp_path / f"{said}.csv"
        told = forecast_main(ForecastConfig(panel=path, out=out, members=("life-cycle",), partition=said))
        assert ("every post has one style" in told) == (said == "auto")
        sums[said] = read(out).groupby("model")["share"].sum()
    assert sums["auto"].to_numpy() == pytest.approx(np.ones(len(sums["auto"])))
    assert abs(sums["no"]["life-cycle"] - 1) > 1e-4


def test_wrong_flags(tmp_path: Path) -> None:
    path = write_panel(tmp_path, "day", 300)
    with pytest.raises(UserError, match="--target"):
        forecast_main(ForecastConfig(panel=path, target="next month"))
    with pytest.raises(UserError, match="--interval"):
        forecast_main(ForecastConfig(panel=path, interval=80))
    with pytest.raises(UserError, match="--members prophet: unknown"):
        forecast_main(ForecastConfig(panel=path, members=("prophet",)))
    with pytest.raises(UserError, match="twice"):
        forecast_main(ForecastConfig(panel=path, members=("lightgbm", "lightgbm")))
    with pytest.raises(UserError, match="--out"):
        backtest_main(BacktestConfig(panel=path, out=path, boost=QUICK, members=FAST, test_origins=1))


@pytest.mark.parametrize("kind", ["day", "month"])
def test_the_fusion_lstm_is_a_member(tmp_path: Path, kind: str) -> None:
    path = write_panel(tmp_path, kind, 400)
    forecast_main(ForecastConfig(panel=path, out=tmp_path / "a.csv", members=("fusion-lstm",), fusion=tiny()))
    said = read(tmp_path / "a.csv")
    sound(said)
    assert {"fusion-lstm", "ensemble", "last"} <= set(said["model"])


def test_errors_by_horizon_are_of_the_same_months(tmp_path: Path) -> None:
    path, out = write_panel(tmp_path, "month", 750), tmp_path / "out"
    config = BacktestConfig(
        panel=path, out=out, also=("calendar-month:1", "calendar-month:3"), test_origins=2, validation_origins=2,
        members=("life-cycle",),
    )  # fmt: skip
    told = backtest_main(config)
    frame = pd.read_csv(out / "per_horizon.csv")
    assert list(dict.fromkeys(frame["target"])) == [f"calendar-month:{ahead}" for ahead in (1, 2, 3)]
    assert frame["days_ahead"].is_monotonic_increasing
    months = []
    for ahead, folder in ((1, out / "calendar-month-1"), (2, out), (3, out / "calendar-month-3")):
        forecast, metrics = pd.read_csv(folder / "forecast.csv"), pd.read_csv(folder / "metrics.csv")
        months.append(sorted(forecast["target_start"].unique()))
        mine = frame[frame["target"] == f"calendar-month:{ahead}"].set_index("model")
        test = metrics[metrics["split"] == "test"].set_index("model")
        assert mine["mae"].to_dict() == pytest.approx(test["mae"].to_dict())
        assert mine["skill"]["ensemble"] == pytest.approx(
            1 - test["mae"]["ensemble"] / test["mae"][mine["best_rung"].iloc[0]]
        )
    assert months[0] == months[1] == months[2]
    assert (out / "horizons.png").is_file()
    assert "calendar-month:3" in told.split("\n\n")[-1]
    with pytest.raises(UserError, match="--also calendar-month:2: stands twice"):
        backtest_main(replace(config, also=("calendar-month:2",), figures=False))
