"""`stylecast explain`: from a backtest of a panel to the reasons of a style, as text, as JSON, on the leaderboard."""

import stylecast  # noqa: F401  # isort: skip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from ensemble.board import build_leaderboard
from ensemble.explain import ExplainConfig, Told, explain, main
from ensemble.forecast import BacktestConfig, backtest_main
from rank.boost import EPISODES, REASONS
from rank.boost_models import BoostConfig
from stylecast.errors import UserError
from tests.ensemble.test_forecast import write_panel

ORIGIN = pd.Timestamp("2024-03-31")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    path, boost = write_panel(folder, "week"), BoostConfig(rounds=5, threads=1, refit_every=3)
    backtest_main(BacktestConfig(panel=path, out=folder / "run", test_origins=2, boost=boost, members=("lightgbm",)))
    return folder / "run"


def test_it_tells_reasons_episodes_and_members(run: Path, tmp_path: Path) -> None:
    text = main(ExplainConfig(run=run, style="NA", out=tmp_path / "why.json"))
    why = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    told = Told.of(run)
    last = told.forecast["origin"].max()
    mine = told.forecast[(told.forecast["style"] == "NA") & (told.forecast["origin"] == last)].set_index("model")
    assert why["origin"] == str(last.date())
    assert why["share"] == pytest.approx(mine.loc["ensemble", "share"])
    assert why["growth"] == pytest.approx(100 * np.expm1(mine.loc["ensemble", "growth"]))
    assert {model["model"]: model["share"] for model in why["models"]} == pytest.approx(
        mine["share"].drop("ensemble").to_dict()
    )
    assert sum(model["weight"] for model in why["models"]) == pytest.approx(1.0)
    assert len(why["reasons"]) >= 3
    assert all(reason["text"] in text for reason in why["reasons"])
    assert {episode["style"] for episode in why["episodes"]} <= {"007", "7", "大衣", "死", "生"}
    assert all(episode["origin"] < why["origin"] for episode in why["episodes"])
    assert all(episode["origin"] in text for episode in why["episodes"])


@pytest.mark.parametrize(
    ("classes", "names", "note"),
    [("change", ("falls", "holds", "rises"), ""), ("band:5", ("falls", "holds", "rises"), " (holds: within ±5%)"),
     ("level", ("low", "middle", "high"), "")],
)  # fmt: skip
def test_the_classes_are_called_what_they_are(
    run: Path, tmp_path: Path, classes: str, names: tuple[str, ...], note: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    weights = json.loads((run / "weights.json").read_text(encoding="utf-8"))
    assert weights["classes"] == "change"
    (folder / "weights.json").write_text(json.dumps(weights | {"classes": classes}), encoding="utf-8")
    text = main(ExplainConfig(run=folder, style="7", out=tmp_path / "why.json"))
    why = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    assert why["classes"] == classes
    chances = zip(names, (why["p_down"], why["p_flat"], why["p_up"]), strict=True)
    assert f"%; {', '.join(f'{name} {chance:.0%}' for name, chance in chances)}{note}\n" in text


def test_an_origin_of_the_test_has_its_own_reasons_and_weights(run: Path) -> None:
    told = Told.of(run)
    first, last = told.forecast["origin"].min(), told.forecast["origin"].max()
    early = explain(told, "7", first)
    weights = {model["model"]: model["weight"] for model in early["models"]}
    assert weights == pytest.approx(json.loads((run / "weights.json").read_text(encoding="utf-8"))["weights"])
    reasons = pd.read_parquet(run / REASONS)
    assert set(reasons["origin"]) == set(told.forecast["origin"])
    assert early["reasons"] != explain(told, "7", last)["reasons"]


def test_what_is_not_there_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--style coat: not forecast from"):
        main(ExplainConfig(run=run, style="coat"))
    with pytest.raises(UserError, match="--origin 1999-01-01: no forecast"):
        main(ExplainConfig(run=run, style="7", origin="1999-01-01"))
    with pytest.raises(UserError, match="no date"):
        main(ExplainConfig(run=run, style="7", origin="soon"))
    with pytest.raises(UserError, match="no forecasts here"):
        main(ExplainConfig(run=tmp_path, style="7"))
    without = tmp_path / "without"
    without.mkdir()
    for path in run.iterdir():
        if path.name != EPISODES:
            (without / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match="`lightgbm` among the --members"):
        main(ExplainConfig(run=without, style="7"))


def test_the_leaderboard_shows_the_first_three_reasons(
    make_panel: Callable[..., Panel], forecast: pd.DataFrame
) -> None:
    reasons = pd.DataFrame({
        "origin": [ORIGIN] * 4 + [pd.Timestamp("2024-02-29")], "style": ["a"] * 4 + ["b"], "number": [1, 2, 3, 4, 1],
        "text": ["season starts", "likes per post up 40% in four weeks", "rose 4 weeks running", "x", "y"],
        "text_zh": ["旺季将至", "篇均点赞四周内上升 40%", "连续 4 周上升", "x", "y"],
        "points": [12.3, -4.0, 2.0, 1.0, 9.0],
    })  # fmt: skip
    board = build_leaderboard(forecast, make_panel(), reasons=reasons).set_index("style")
    assert board.loc["a", "reasons"] == (
        "season starts (+12%); likes per post up 40% in four weeks (-4%); rose 4 weeks running (+2%)"
    )
    assert board.loc["a", "reasons_zh"] == "旺季将至 (+12%)；篇均点赞四周内上升 40% (-4%)；连续 4 周上升 (+2%)"
    assert board.loc["b", "reasons"] == board.loc["b", "reasons_zh"] == ""  # its reasons are of another origin
    assert build_leaderboard(forecast, make_panel())["reasons"].eq("").all()
