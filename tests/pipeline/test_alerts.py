"""Numbers of a finished run against bounds: each check speaks when its number moves, and when it does not."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ensemble.alerts import AlertsConfig, checks, main
from ensemble.pipeline import RunConfig
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from tests.pipeline.test_audit import seal

WIDE = {"today": "2023-01-02", "stale_days": 5, "emerging": 1.0, "coverage_off": 1.0, "skill": -100.0}
"""Bounds that any tiny run keeps, on the Monday after its last post."""


@pytest.fixture
def copy(finished: tuple[RunConfig, str], tmp_path: Path) -> Path:
    """The finished run in another place, to be spoilt."""
    return Path(shutil.copytree(finished[0].out, tmp_path / "copy"))


def test_the_numbers_are_those_of_the_artifacts(finished: tuple[RunConfig, str], tmp_path: Path) -> None:
    run = finished[0].out
    told = main(AlertsConfig(run=run, **WIDE, out=tmp_path / "alerts.csv"))
    assert "ALERT" not in told
    table = pd.read_csv(tmp_path / "alerts.csv")
    assert not table["alert"].any()
    rejected, age, emerging, coverage, skill = table["value"]
    lines = pd.read_csv(run / "prepare" / "rejected.csv")["line"]
    posts = pd.read_parquet(run / "prepare" / "posts.parquet")
    assert rejected == pytest.approx(len(set(lines)) / (len(posts) + lines[~lines.isin(posts["line"])].nunique()))
    assert age == (pd.Timestamp("2023-01-02") - posts["time"].max().normalize()).days
    items = pd.read_parquet(run / "styles" / "assignments.parquet")
    late = items[items["time"] > items["time"].max().normalize() - pd.Timedelta(days=27)]
    assert emerging == pytest.approx(late["emerging"].mean())
    metrics = pd.read_csv(run / "ensemble" / "metrics.csv").set_index(["split", "model"]).loc[("test", "ensemble")]
    assert (coverage, skill) == pytest.approx((metrics["coverage"], metrics["skill"]))


@pytest.mark.parametrize(
    ("bound", "check"),
    [
        ({"rejected": 0.0}, "rows with something rejected"),
        ({"today": "2023-02-01"}, "age of the newest post"),
        ({"skill": 0.99}, "skill against the best rung"),
    ],
)
def test_a_number_out_of_bounds_is_named(finished: tuple[RunConfig, str], bound: dict, check: str) -> None:
    with pytest.raises(UserError, match=f"1 of 5 checks out of bounds: {check}"):
        main(AlertsConfig(run=finished[0].out, **(WIDE | bound)))


def test_a_feed_that_changes_is_told(copy: Path) -> None:
    path = copy / "styles" / "assignments.parquet"
    items = pd.read_parquet(path)
    items["emerging"] = items["time"] > items["time"].max() - pd.Timedelta(days=14)
    items.to_parquet(path)
    seal(copy / "styles")
    table = checks(AlertsConfig(run=copy, **(WIDE | {"emerging": 0.3}))).set_index("check")
    assert table.loc[table["alert"]].index.tolist() == ["items of 28 days in no style"]


def test_intervals_that_hold_too_little_or_too_much_are_told(copy: Path) -> None:
    path = copy / "ensemble" / "metrics.csv"
    metrics = pd.read_csv(path)
    for held, alert in ((0.64, True), (0.66, False), (0.94, False), (0.96, True)):
        metrics.loc[(metrics["split"] == "test") & (metrics["model"] == "ensemble"), "coverage"] = held
        metrics.to_csv(path, index=False)
        seal(copy / "ensemble")
        table = checks(AlertsConfig(run=copy, **(WIDE | {"coverage_off": 0.15}))).set_index("check")
        assert table.loc["truths in the 80% interval", "alert"] == alert


def test_posts_without_dates_are_refused(copy: Path) -> None:
    path = copy / "prepare" / "posts.parquet"
    pd.read_parquet(path).drop(columns=["time"]).to_parquet(path)
    seal(copy / "prepare")
    with pytest.raises(UserError, match="its posts have no `time`"):
        checks(AlertsConfig(run=copy, **WIDE))


def test_the_command_ends_with_2_and_shows_the_table(
    finished: tuple[RunConfig, str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert run_command("alerts", [str(finished[0].out)]) == 2  # the newest post is years old
    assert "ALERT" in caplog.text
    told = capsys.readouterr().err
    assert told.splitlines()[-1].startswith("stylecast: error: ")
    assert "age of the newest post" in told
    assert run_command("alerts", [str(finished[0].out), "--rejected", "5"]) == 2
    assert "--rejected 5.0: a part of all, 0 to 1" in capsys.readouterr().err
    assert run_command("alerts", [str(finished[0].out), "--today", "May"]) == 2
    assert "--today May: no date" in capsys.readouterr().err
    assert run_command("alerts", [str(finished[0].out / "styles")]) == 2
    assert "prepare: the run does not exist" in capsys.readouterr().err
