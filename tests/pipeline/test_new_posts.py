"""Posts that came after a run: counted exactly, scored by its stored models, which stay as they are."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from ensemble.audit_parts import Runs
from ensemble.combine import ENSEMBLE, forecast_frame
from ensemble.combined import load_combined
from ensemble.leaderboard import LeaderboardConfig, main
from ensemble.pipeline import RunConfig
from rank.later import forecast_later
from rank.modalities import read_bags
from rank.stored import load_backtest
from rank.style_vectors import style_vectors
from rank.train import RankConfig
from recall.new_posts import NewPosts
from recall.take_in import take_in
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.runs import hash_file, load_config

YEAR = pd.Timedelta(days=365)
KNOWN = 20


def rows_of(posts: Path) -> list[dict[str, str]]:
    with open(posts, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def new_rows(world: Path) -> list[dict[str, str]]:
    """What two winter months said, told again a year later under new ids: from the end of the run to 28 February."""
    told = {row["post_id"]: row for row in rows_of(world / "posts.csv")}
    found = []
    for name, row in told.items():
        time = pd.to_datetime(row["time"], errors="coerce") if len(row["time"]) > 9 else pd.NaT
        if pd.Timestamp("2021-12-30") <= time < pd.Timestamp("2022-03-01"):
            found.append(row | {"post_id": f"n{name}", "time": str(time + YEAR)})
    return found


@pytest.fixture(scope="module")
def later(world: Path) -> Path:
    """New posts, some that the run has already, and two rows that cannot be used."""
    rows = rows_of(world / "posts.csv")
    bad = [
        rows[5] | {"post_id": "dateless", "time": "03-12"},
        rows[6] | {"post_id": "nothing", "time": "2023-01-02", "images": "images/none.jpg", "title": "", "content": "",
                   "tags": ""},
    ]  # fmt: skip
    return write_rows(world / "later.csv", [*new_rows(world), *rows[-KNOWN:], *bad])


def hashes(run: Path) -> dict[str, str]:
    return {str(path.relative_to(run)): hash_file(path) for path in sorted(run.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def scored(finished: tuple[RunConfig, str], later: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The run's leaderboard from its new posts, and what it told; no file of the run has changed."""
    run, out = finished[0].out, tmp_path_factory.mktemp("boards") / "february"
    before = hashes(run)
    told = main(LeaderboardConfig(run=run, posts=later, out=out))
    assert hashes(run) == before
    return out, told


def panel_of(run: Path) -> Panel:
    return Panel.read(run / "styles" / "panel.parquet", granularity="day")


def votes(assigned: pd.DataFrame) -> pd.DataFrame:
    """What each item of no emerging style counts: a post's pictures split its vote."""
    rows = assigned[~assigned["emerging"]]
    return rows.assign(vote=1 / rows.groupby("post_id")["post_id"].transform("size"))


def assert_shares_of_february(out: Path) -> None:
    """February lies wholly after the run: its shares are those of the new posts, counted here anew."""
    counted = votes(pd.read_parquet(out / "assigned.parquet"))
    posts = counted[counted["time"] >= "2023-02-01"].groupby("style")["vote"].sum()
    board = pd.read_parquet(out / "leaderboard.parquet").set_index("style")
    posts = posts.reindex(board.index).fillna(0.0)
    np.testing.assert_allclose(board["share_now"], posts / posts.sum(), rtol=1e-9)
    np.testing.assert_allclose(board["posts_28d"], posts, rtol=1e-9)


def test_shares_are_those_of_the_accepted_posts(scored: tuple[Path, str], later: Path) -> None:
    out, told = scored
    rows = rows_of(later)
    mine = {row["post_id"] for row in rows if row["post_id"].startswith("n") and row["post_id"] != "nothing"}
    assert set(pd.read_parquet(out / "assigned.parquet")["post_id"]) == mine
    assert f"{len(mine)} new posts of {len(rows)} rows" in told
    board = pd.read_parquet(out / "leaderboard.parquet")
    assert set(board["origin"]) == {pd.Timestamp("2023-02-28")}
    assert set(board["target_start"]) == {pd.Timestamp("2023-04-01")}
    assert_shares_of_february(out)
    assert board["share_predicted"].sum() == pytest.approx(1.0)
    assert ((board["lower_95"] <= board["lower"]) & (board["upper"] <= board["upper_95"])).all()
    assert (board["reasons"] != "").all()


def test_the_panel_grows_by_exactly_the_accepted_posts(
    finished: tuple[RunConfig, str], later: Path, tmp_path: Path
) -> None:
    run = finished[0].out
    taken = take_in(Runs.below(run).folders, NewPosts(posts=later), tmp_path)
    before = panel_of(run)
    days = len(before.days)
    assert taken.panel.styles == before.styles
    np.testing.assert_array_equal(taken.panel.count_ST[:, : days - 1], before.count_ST[:, : days - 1])
    counted = votes(taken.assigned)
    assert taken.panel.total_T.sum() - before.total_T.sum() == pytest.approx(counted["post_id"].nunique())
    assert taken.told["known"] == KNOWN
    assert taken.told["accepted"] == taken.assigned["post_id"].nunique() + taken.told["without"]


def test_known_posts_and_bad_rows_are_told(scored: tuple[Path, str], later: Path) -> None:
    out, told = scored
    assert f"{KNOWN} that the run has already are not counted again" in told
    rejected = pd.read_csv(out / "rejected.csv", dtype=str, keep_default_na=False).set_index("post_id")
    lines = later.read_text(encoding="utf-8").splitlines()
    assert lines[int(rejected.loc["dateless", "line"]) - 1].startswith("dateless,")
    assert "without a year" in rejected.loc["dateless", "reason"]
    assert set(rejected.loc[["nothing"], "reason"]) == {"no such file", "neither text nor a picture that can be used"}


def test_the_same_posts_give_the_same_bytes(
    finished: tuple[RunConfig, str], scored: tuple[Path, str], later: Path, tmp_path: Path
) -> None:
    shuffled = write_rows(later.with_name("shuffled.csv"), rows_of(later)[::-1])
    main(LeaderboardConfig(run=finished[0].out, posts=shuffled, out=tmp_path / "again"))
    for name in ("leaderboard.csv", "leaderboard.jsonl", "leaderboard.parquet", "emerging.parquet", "index.html"):
        assert (tmp_path / "again" / name).read_bytes() == (scored[0] / name).read_bytes(), name


def test_what_comes_later_changes_no_earlier_board(
    finished: tuple[RunConfig, str], scored: tuple[Path, str], later: Path, tmp_path: Path
) -> None:
    run, moved = finished[0].out, rows_of(later)
    late = [row for row in moved if row["time"][:7] == "2023-02"]
    said = [{name: row[name] for name in ("title", "content", "tags", "images", "likes", "collects")} for row in late]
    for number, row in enumerate(late):
        row |= said[number % 4]  # all of February says what its first four posts do
    boards = []
    for name, posts in (("one", later), ("two", write_rows(later.with_name("moved.csv"), moved))):
        main(LeaderboardConfig(run=run, posts=posts, origin="2022-09-30:2023-02-28", out=tmp_path / name))
        boards.append(pd.read_parquet(tmp_path / name / "leaderboard.parquet"))
    one, two = (board[board["origin"] < "2023-02-28"].reset_index(drop=True) for board in boards)
    days = [str(day.date()) for day in one["origin"].unique()]
    assert days == ["2022-09-30", "2022-11-30", "2022-12-31", "2023-01-31"]
    pd.testing.assert_frame_equal(one, two)
    # The ensemble of this small world rests on few models; none of the others looks ahead either.
    every = [pd.read_parquet(tmp_path / name / "forecast.parquet") for name in ("one", "two")]
    early = [frame[frame["origin"] < "2023-02-28"].reset_index(drop=True) for frame in every]
    assert early[0]["model"].nunique() == 12
    pd.testing.assert_frame_equal(early[0], early[1])
    moves = [frame[frame["origin"] == "2023-02-28"].set_index("model")["share"] for frame in every]
    for model in ("gaussian-process", "lightgbm", "fusion-lstm"):
        assert not np.allclose(moves[0][model], moves[1][model])
    # The test can fail: February itself is another. And one board of the range is that of February alone.
    last = [board[board["origin"] == "2023-02-28"].reset_index(drop=True) for board in boards]
    assert not np.allclose(last[0]["share_predicted"], last[1]["share_predicted"])
    pd.testing.assert_frame_equal(last[0], pd.read_parquet(scored[0] / "leaderboard.parquet"))
    assert set(last[0]["previous_origin"]) == {pd.Timestamp("2023-01-31")}
    # Origins before the run's latest stay as they were published.
    forecast = pd.read_parquet(run / "ensemble" / "forecast.parquet")
    told = forecast[(forecast["model"] == ENSEMBLE) & (forecast["origin"] == "2022-09-30")].set_index("style")["share"]
    shown = one[one["origin"] == "2022-09-30"].set_index("style")["share_predicted"]
    pd.testing.assert_series_equal(shown.sort_index(), told.sort_index(), check_names=False)


def test_without_new_posts_the_stored_models_say_what_the_run_said(finished: tuple[RunConfig, str]) -> None:
    run = finished[0].out
    panel, config = panel_of(run), load_config(run / "rank", RankConfig)
    backtest = load_backtest(run / "rank", panel)
    latest = pd.DatetimeIndex([backtest.split.latest])
    vectors_SV, bags = style_vectors(run / "styles", panel.styles), read_bags(config, panel, config.modalities)
    told = forecast_later(run / "rank", backtest, panel, latest, vectors_SV, bags)
    keys = ["model", "style"]
    again = forecast_frame(told.backtest, load_combined(run / "ensemble"), latest).set_index(keys).sort_index()
    stored = pd.read_parquet(run / "ensemble" / "forecast.parquet")
    stored = stored[stored["origin"] == latest[0]].set_index(keys).sort_index()
    assert set(stored.index.get_level_values("model")) > {"gaussian-process", "lightgbm", "fusion-lstm", ENSEMBLE}
    pd.testing.assert_frame_equal(again, stored, rtol=0, atol=1e-6, check_dtype=False)
    reasons = pd.read_parquet(run / "ensemble" / "reasons.parquet")
    reasons = reasons[reasons["origin"] == latest[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(told.reasons, reasons, check_dtype=False)
    with pytest.raises(ValueError, match="its models know what follows"):
        forecast_later(run / "rank", backtest, panel, backtest.split.test[:1], vectors_SV, bags)


def test_texts_alone_take_new_posts_in(texts: tuple[Path, str], world: Path, tmp_path: Path) -> None:
    run, _ = texts
    before = hashes(run)
    rows = [{name: value for name, value in row.items() if name != "images"} for row in new_rows(world)]
    told = main(LeaderboardConfig(run=run, posts=write_rows(tmp_path / "new.csv", rows), out=tmp_path / "board"))
    assert hashes(run) == before
    assert "new posts of" in told
    assigned = pd.read_parquet(tmp_path / "board" / "assigned.parquet")
    assert set(assigned["id"]) == set(assigned["post_id"])
    assert_shares_of_february(tmp_path / "board")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: rows[-KNOWN:], "no new post in it: 20 of 20 rows are known already"),
        (lambda rows: [{k: v for k, v in row.items() if k != "likes"} for row in rows], "no column `likes`"),
        (lambda rows: [{k: v for k, v in row.items() if k != "time"} for row in rows], "no column `time`"),
    ],
)
def test_what_cannot_be_taken_in_is_told(
    finished: tuple[RunConfig, str], world: Path, tmp_path: Path, spoil: Callable, told: str
) -> None:
    rows = spoil([*new_rows(world), *rows_of(world / "posts.csv")[-KNOWN:]])
    table = write_rows(world / "spoilt.csv", rows)
    config = LeaderboardConfig(run=finished[0].out, posts=table, out=tmp_path / "board")
    with pytest.raises(UserError, match=told):
        main(config)
    assert not config.out.exists()


def test_exit_codes(
    finished: tuple[RunConfig, str], later: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run, out = str(finished[0].out), str(tmp_path / "board")
    assert run_command("leaderboard", [run, "--out", out]) == 0
    assert "Leaderboard of 2022-11-30" in capsys.readouterr().out
    assert run_command("leaderboard", [run, "--posts", str(later), "--origin", "2023-03-31", "--out", out]) == 2
    assert "no such origin" in capsys.readouterr().err
    # What was there stays.
    assert set(pd.read_parquet(tmp_path / "board" / "leaderboard.parquet")["origin"]) == {pd.Timestamp("2022-11-30")}
    assert run_command("leaderboard", [str(tmp_path / "none"), "--out", out]) == 2
