"""The whole way: a feed in, a leaderboard out; skipped when up to date; the future touches nothing before it."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.posts import Posts
from ensemble.audit import AuditConfig
from ensemble.audit import main as audit
from ensemble.pipeline import RunConfig, main, split_of
from pretrain.vocabulary import Vocabulary
from rank.ladder import RUNGS
from stylecast.__main__ import run_command
from stylecast.runs import load_manifest

STAGES = ("prepare", "pretrain", "recall", "styles", "rank", "ensemble", "leaderboard")


def test_every_stage_leaves_a_whole_run(finished: tuple[RunConfig, str]) -> None:
    config, _ = finished
    for stage in STAGES:
        manifest = load_manifest(config.out / stage, stage)
        assert manifest["wall_seconds"] > 0
    assert not list(config.out.glob(".*partial"))


def test_the_answer_is_told(finished: tuple[RunConfig, str]) -> None:
    config, told = finished
    for model in (*RUNGS, "lightgbm", "fusion-lstm", "ensemble"):
        assert model in told
    assert str(config.out / "leaderboard" / "index.html") in told
    board = pd.read_csv(config.out / "leaderboard" / "leaderboard.csv")
    styles = pd.read_parquet(config.out / "styles" / "styles.parquet")
    assert set(board["style"]) <= set(styles["style"])
    assert board["share_predicted"].between(0, 1).all()
    assert "<table" in (config.out / "leaderboard" / "index.html").read_text(encoding="utf-8")


def test_forecasts_are_shares(finished: tuple[RunConfig, str]) -> None:
    forecast = pd.read_parquet(finished[0].out / "ensemble" / "forecast.parquet")
    assert np.isfinite(forecast[["share", "lower", "upper", "growth"]]).all(axis=None)
    assert (forecast["lower"] <= forecast["share"]).all()
    assert (forecast["share"] <= forecast["upper"]).all()
    sums = forecast[forecast["model"] == "ensemble"].groupby("origin")["share"].sum()
    np.testing.assert_allclose(sums, 1.0, atol=1e-6)
    np.testing.assert_allclose(forecast[["p_down", "p_flat", "p_up"]].sum(axis=1), 1.0, atol=1e-6)


def test_the_cut_off_goes_by_the_posts_that_will_be_counted(finished: tuple[RunConfig, str]) -> None:
    config, _ = finished
    posts = Posts.load(config.out / "prepare")
    split = split_of(posts, config.rank, "pictures")
    told = json.loads((config.out / "rank" / "backtest.json").read_text(encoding="utf-8"))
    assert [str(day.date()) for day in split.validation] == told["validation"]
    # A text without a picture, a month later: it has no style where styles are found in pictures.
    late = posts.table.tail(1).assign(post_id="late", time=posts.table["time"].max() + pd.Timedelta(days=40))
    more = replace(posts, table=pd.concat([posts.table, late], ignore_index=True))
    assert split_of(more, config.rank, "pictures").validation[0] == split.validation[0]
    assert split_of(more, config.rank, "text").validation[0] > split.validation[0]


def test_run_again_nothing_is_done_again(finished: tuple[RunConfig, str], caplog: pytest.LogCaptureFixture) -> None:
    config, told = finished
    written = {s: (config.out / s / "manifest.json").stat().st_mtime_ns for s in STAGES}
    with caplog.at_level("INFO"):
        assert main(config) == told
    assert {s: (config.out / s / "manifest.json").stat().st_mtime_ns for s in STAGES} == written
    assert caplog.text.count("up to date, skipped") == len(STAGES)


def moved_future(posts: Path, out: Path, day: str) -> Path:
    """The same feed, with everything after a day told by other people: other words, pictures and numbers."""
    with open(posts, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    late = [r for r in rows if r["time"][:10] > day and len(r["time"]) > 9]
    columns = ["title", "content", "tags", "images", "likes", "collects"]
    shifted = late[len(late) // 3 :] + late[: len(late) // 3]
    values = [{c: r[c] for c in columns} for r in shifted]
    for row, value in zip(late, values, strict=True):
        row |= value
    with open(out, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out


def test_the_future_changes_no_prediction_before_it(finished: tuple[RunConfig, str], world: Path) -> None:
    config, _ = finished
    before = pd.read_parquet(config.out / "ensemble" / "forecast.parquet")
    origins = sorted(before["origin"].unique())
    day = origins[1]  # the second test origin: encoders, styles and two forecasts must not see what follows
    table = moved_future(world / "posts.csv", world / "moved.csv", str(day.date()))
    moved = replace(config, posts=table, out=config.out.parent / "moved")
    main(moved)
    after = pd.read_parquet(moved.out / "ensemble" / "forecast.parquet")
    keys = ["model", "origin", "style"]
    one, two = (f[f["origin"] <= day].sort_values(keys).reset_index(drop=True) for f in (before, after))
    assert len(one) > 20
    pd.testing.assert_frame_equal(one, two, rtol=1e-9, atol=1e-12)
    # The test can fail: what comes after the move is different.
    late = [f[f["origin"] > day].sort_values(keys)["share"].to_numpy() for f in (before, after)]
    assert len(late[0]) != len(late[1]) or not np.allclose(*late)
    for stage, name in (("recall", "model.safetensors"), ("styles", "clusters.safetensors")):
        files = [load_manifest(run / stage, stage)["files"][name] for run in (config.out, moved.out)]
        assert files[0] == files[1]


def test_pictures_without_dates_end_at_the_search(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(world / "posts.csv", dtype=str, keep_default_na=False).head(250)
    table.drop(columns=["time"]).to_csv(world / "undated.csv", index=False)
    command = [sys.executable, "-m", "stylecast"]
    run = [*command, "run", str(world / "undated.csv"), "--recipe", "tiny", "--out", str(tmp_path / "run")]
    done = subprocess.run([*run, "--prepare.picture-size", "32", "-q"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "styles over time need `time`" in done.stdout
    sheet = tmp_path / "sheet.png"
    word = next(w for w in Vocabulary.load(tmp_path / "run" / "recall").words[3:] if not w.isascii())
    capsys.readouterr()
    assert run_command("search", [str(tmp_path / "run"), word, "-k", "5", "--out", str(sheet)]) == 0
    assert sheet.stat().st_size > 1000
    assert sum("images/" in line for line in capsys.readouterr().out.splitlines()) == 5
    assert run_command("search", [str(tmp_path / "run"), "火箭发动机"]) == 2
    unknown = capsys.readouterr().err
    assert unknown.startswith("stylecast: error:")
    assert unknown.count("\n") == 1


def test_texts_without_pictures_have_styles(texts: tuple[Path, str]) -> None:
    run, told = texts
    assert "ensemble" in told
    assert not (run / "recall").exists()
    page = (run / "leaderboard" / "index.html").read_text(encoding="utf-8")
    assert "<img" not in page
    audited = audit(AuditConfig(run=run))
    assert "words of styles" in audited
    assert "encoder" not in audited
