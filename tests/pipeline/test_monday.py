"""The script for a scheduled run: publishes what holds, holds back what does not, goes on with the ids of before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ensemble.pipeline import RunConfig
from ensemble.recipes import RECIPES
from stylecast.cli import parse
from tests.pipeline.test_audit import seal
from tests.pipeline.tiny import config_for

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "monday.sh"
PROGRAM = Path(sys.executable).parent / "stylecast"
TINY = [
    "--recipe", "tiny", "--prepare.picture-size", "32", "--prepare.workers", "1", "--styles.cluster.k", "5",
    "--styles.cluster.pca", "8", "--styles.cluster.umap", "2", "--styles.cluster.neighbours", "10",
    "--styles.cluster.max-fit", "400", "--rank.test-origins", "4", "--rank.validation-origins", "4",
]  # fmt: skip
"""What `tests.pipeline.tiny` says, as flags."""
WIDE = "--today 2023-01-02 --stale-days 5 --rejected 0.5 --emerging 1 --coverage-off 1 --skill -100"


def monday(posts: Path, runs: Path, day: str, *flags: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"STYLECAST": str(PROGRAM), "STYLECAST_DAY": day, "PYTHONPATH": str(ROOT)} | settings
    return subprocess.run(
        [str(SCRIPT), str(posts), str(runs), *flags], env=environment, capture_output=True, text=True, check=False
    )


def test_the_flags_are_those_of_the_tiny_run(tmp_path: Path) -> None:
    config, _ = parse(RunConfig, RECIPES, "run", "", [str(tmp_path / "posts.csv"), "--out", str(tmp_path), *TINY])
    assert config == config_for(tmp_path / "posts.csv", tmp_path)


@pytest.fixture
def runs(finished: tuple[RunConfig, str], tmp_path: Path) -> Path:
    """A folder of runs in which that of the first Monday is finished, and nothing is published."""
    shutil.copytree(finished[0].out, tmp_path / "runs" / "2023-01-02")
    return tmp_path / "runs"


def test_the_shell_scripts_are_sound() -> None:
    checker = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([checker, SCRIPT, ROOT / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_holds_is_published_and_what_does_not_is_held_back(runs: Path, world: Path) -> None:
    posts = world / "posts.csv"
    held = monday(posts, runs, "2023-01-02", *TINY)  # the newest post is years older than today
    assert held.returncode == 3
    assert "ALERT" in held.stderr
    assert "age of the newest post" in held.stderr
    assert not (runs / "latest").exists()
    done = monday(posts, runs, "2023-01-02", *TINY, STYLECAST_ALERTS=WIDE)
    assert done.returncode == 0, done.stderr
    assert "Leaderboard of" in done.stdout
    assert (runs / "2023-01-02.log").read_text(encoding="utf-8").count("up to date, skipped") >= 7
    assert (runs / "latest").resolve() == (runs / "2023-01-02").resolve()
    assert not pd.read_csv(runs / "2023-01-02.alerts.csv")["alert"].any()
    again = monday(posts, runs, "2023-01-02", *TINY, STYLECAST_ALERTS=WIDE)
    assert (again.returncode, again.stderr) == (0, "")
    assert "published already" in again.stdout


def test_an_error_leaves_the_last_run_in_its_place(runs: Path, tmp_path: Path) -> None:
    (runs / "latest").symlink_to("2023-01-02")
    broken = tmp_path / "broken.csv"
    broken.write_text("post_id,time\n1,2023-01-01\n", encoding="utf-8")
    done = monday(broken, runs, "2023-01-09", *TINY)
    assert done.returncode == 2
    assert "no column of title, content, tags, images" in done.stderr
    assert (runs / "latest").resolve().name == "2023-01-02"
    usage = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False)
    assert usage.returncode == 2
    assert usage.stderr.startswith("usage:")


def test_a_leak_is_held_back(runs: Path, world: Path) -> None:
    path = runs / "2023-01-02" / "rank" / "backtest.json"
    assert path.is_file()
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("2022-", "2023-", 1), encoding="utf-8")
    seal(path.parent)
    done = monday(world / "posts.csv", runs, "2023-01-02", *TINY, STYLECAST_ALERTS=WIDE)
    assert done.returncode == 3
    assert not (runs / "latest").exists()


@pytest.mark.slow
def test_the_next_monday_goes_on_with_the_ids_of_before_and_old_runs_go(runs: Path, world: Path) -> None:
    (runs / "latest").symlink_to("2023-01-02")
    (runs / "2022-12-26").mkdir()
    (runs / "2022-12-26.log").write_text("old", encoding="utf-8")
    table = pd.read_csv(world / "posts.csv", dtype=str, keep_default_na=False)
    newer = table.tail(5).assign(post_id=lambda rows: "n" + rows["post_id"], time="2022-12-31 12:00:00")
    pd.concat([table, newer]).to_csv(world / "newer.csv", index=False)
    done = monday(world / "newer.csv", runs, "2023-01-09", *TINY, STYLECAST_ALERTS=WIDE, STYLECAST_KEEP="2")
    assert done.returncode == 0, done.stderr
    assert (runs / "latest").resolve().name == "2023-01-09"
    names = [
        set(pd.read_parquet(runs / day / "styles" / "styles.parquet")["style"]) for day in ("2023-01-02", "latest")
    ]
    lineage = pd.read_csv(runs / "latest" / "styles" / "lineage.csv")
    assert (lineage["relation"] == "continues").any()
    assert names[0] & names[1]
    assert sorted(path.name for path in runs.iterdir() if path.is_dir()) == ["2023-01-02", "2023-01-09", "latest"]
    assert not (runs / "2022-12-26.log").exists()
