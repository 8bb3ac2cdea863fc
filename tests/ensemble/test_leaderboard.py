"""The board by hand, its errors, and the whole stage on toy run folders."""

import stylecast  # noqa: F401  # isort: skip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.panel import Panel
from data.posts import Posts
from data.windows import Target
from ensemble.board import build_leaderboard, recent_emerging, target_of
from ensemble.figures import age, decimals_of, fit, outlook, percent, signed, width
from ensemble.leaderboard import LeaderboardConfig, main
from ensemble.terminal import terminal_table
from ensemble.thumbnails import encode_thumbnails
from ensemble.train import EnsembleConfig
from stylecast.errors import UserError
from stylecast.runs import load_manifest, open_run

MakePanel = Callable[..., Panel]
ORIGIN = pd.Timestamp("2024-03-31")


def test_ranks_by_growth_and_ties_by_style(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    # a and d both go from 10% to 15%, b stays, c falls from 40% to 30%.
    board = build_leaderboard(forecast, make_panel())
    assert board["style"].tolist() == ["a", "d", "b", "c"]
    assert board["rank"].tolist() == [1, 2, 3, 4]


def test_rank_by_change_differs_from_rank_by_growth(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    taken = forecast["model"].eq("ensemble") & forecast["origin"].eq(ORIGIN)
    share, growth = [0.13, 0.45, 0.30, 0.12], [np.log(1.3), np.log(1.125), np.log(0.75), np.log(1.2)]
    forecast.loc[taken, ["share", "growth"]] = np.column_stack([share, growth])
    by_growth = build_leaderboard(forecast, make_panel())
    by_change = build_leaderboard(forecast, make_panel(), by="change")
    assert by_growth["style"].tolist() == ["a", "d", "b", "c"]
    assert by_change["style"].tolist() == ["b", "a", "d", "c"]


def test_styles_with_few_posts_come_last(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    # In the last 28 of the days a and d have a post a day, b and c four.
    board = build_leaderboard(forecast, make_panel(), least_posts=29)
    assert board["style"].tolist() == ["b", "c", "a", "d"]
    assert board["rank"].tolist() == [1, 2, 3, 4]
    assert build_leaderboard(forecast, make_panel(), least_posts=28)["style"].tolist() == ["a", "d", "b", "c"]


def test_numbers_by_hand(make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame) -> None:
    board = build_leaderboard(forecast, make_panel(), styles).set_index("style")
    a = board.loc["a"]
    # March holds 31 days of 10 posts, of which a has 1 a day.
    assert a["share_now"] == pytest.approx(0.1)
    assert a["growth"] == pytest.approx(100 * ((0.15 * 310 + 0.5) / (31 + 0.5) - 1))
    assert a["change"] == pytest.approx(5.0)
    assert (a["lower"], a["upper"]) == pytest.approx((0.13, 0.18))
    assert (a["lower_95"], a["upper_95"]) == pytest.approx((0.11, 0.21))
    # 4-31 March: 28 of 280 posts. 5 February - 3 March: 25 days of 2 and 3 of 1, 53 of 280 posts.
    assert a["momentum"] == pytest.approx(100 * (28.5 / 53.5 - 1))
    assert a["posts_28d"] == 28
    assert a["likes_per_post"] == pytest.approx(10.0)
    assert a["age_days"] == 90
    assert board.loc["d", "age_days"] == 59
    assert a["pictures"] == "p1/0;p2/0"
    assert board["pictures"].to_dict() == {"a": "p1/0;p2/0", "b": "p3/0", "c": "p4/0;p5/1;p6/0", "d": ""}
    assert "likes_log_per_post" not in board
    assert a["target_start"] == pd.Timestamp("2024-05-01")


def test_another_origin_is_seen_from_that_day(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    board = build_leaderboard(forecast, make_panel(), origin=pd.Timestamp("2024-02-29")).set_index("style")
    # February: 29 days of 10 posts.
    assert board["share_now"].to_dict() == pytest.approx({"a": 0.2, "b": 0.4, "c": 0.3, "d": 0.1})
    assert board.loc["a", "age_days"] == 59


def test_nothing_after_the_origin_matters(make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame) -> None:
    now = build_leaderboard(forecast, make_panel(), styles)
    later = build_leaderboard(forecast, make_panel(future=40), styles, origin=ORIGIN)
    pd.testing.assert_frame_equal(now, later)


def test_bare_panel_without_styles_or_engagement(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    board = build_leaderboard(forecast, make_panel(numeric=False))
    assert board["name"].tolist() == board["style"].tolist()
    assert (board["keywords"] == "").all()
    assert (board["pictures"] == "").all()
    assert not [name for name in board.columns if name.endswith("_per_post")]


def test_style_without_recent_posts_has_no_mean(make_panel: MakePanel, forecast: pd.DataFrame) -> None:
    panel = make_panel()
    panel.count_ST[2, -60:] = 0
    panel.numeric["likes"][2, -60:] = 0
    c = build_leaderboard(forecast, panel).set_index("style").loc["c"]
    assert c["posts_28d"] == 0
    assert np.isnan(c["likes_per_post"])
    assert np.isfinite([c["growth"], c["momentum"]]).all()


@pytest.mark.parametrize(
    ("spoil", "origin", "told"),
    [
        (lambda f: f, "2024-01-31", "no such origin"),
        (lambda f: f[f["model"] == "last"], None, "no rows of the model `ensemble`"),
        (lambda f: pd.concat([f, f.tail(1)]), None, "two rows of style d"),
        (lambda f: f.assign(style=f["style"].replace("d", "z")), None, "no style z"),
    ],
)
def test_what_does_not_fit_is_told(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], origin: str | None, told: str, make_panel: MakePanel,
    forecast: pd.DataFrame,
) -> None:  # fmt: skip
    day = None if origin is None else pd.Timestamp(origin)
    with pytest.raises(UserError, match=told):
        build_leaderboard(spoil(forecast), make_panel(), origin=day)


@given(
    st.dates(min_value=pd.Timestamp("2020-01-01").date(), max_value=pd.Timestamp("2030-12-31").date()),
    st.integers(1, 20),
    st.integers(0, 27),
)
def test_target_is_found_from_its_days(day: object, first: int, longer: int) -> None:
    origin = pd.Timestamp(str(day))
    for target in (Target("days", first, first + longer), Target("calendar-month", first, first)):
        # At most 28 days: no more than one February in four years can be taken for a calendar month.
        found = target_of(origin, *target.period(origin))
        assert found.period(origin) == target.period(origin)
        if longer < 27 or target.kind == "calendar-month":
            assert found == target


def _posts() -> Posts:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    images[1, :, :, 0] = 200
    pictures = pd.DataFrame({"picture_id": ["p0/0", "p1/0", "p2/0"], "post_id": ["p0", "p1", "p2"]})
    return Posts(pd.DataFrame(), pictures, images)


def test_thumbnails_show_the_right_picture() -> None:
    found = encode_thumbnails(_posts(), ["p1/0", "gone/0"], side=16)
    assert list(found) == ["p1/0"]
    image = cv2.imdecode(np.frombuffer(found["p1/0"], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (16, 16, 3)
    assert image[8, 8] == pytest.approx([0, 0, 200], abs=6)  # OpenCV reads blue, green, red


def test_recent_emerging_counts_the_last_28_days() -> None:
    times = ["2024-03-03 12:00", "2024-03-04 09:00", "2024-03-31 23:00", "2024-03-31 08:00", "2024-04-01"]
    rows = pd.DataFrame({"time": pd.to_datetime(times, format="ISO8601"), "emerging": [True, True, False, False, True]})
    assert recent_emerging(rows, ORIGIN) == pytest.approx(1 / 3)
    assert recent_emerging(rows, pd.Timestamp("2020-01-01")) is None


def test_terminal_columns_line_up_with_chinese(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame
) -> None:
    styles.loc[0, "name"] = "旗袍\x1b[31m · 国风"
    text = terminal_table(build_leaderboard(forecast, make_panel(), styles), n=3)
    head, *rows = text.split("\n")
    assert len(rows) == 3
    assert "\x1b" not in text
    start = width(head[: head.index("now") + len("now")])
    for row, share in zip(rows, ("10.0%", "10.0%", "40.0%"), strict=True):
        assert width(row[: row.index(share) + len(share)]) == start


@given(st.text(max_size=30), st.integers(2, 20))
def test_fit_fills_its_columns(text: str, columns: int) -> None:
    assert width(fit(text, columns)) == columns


def test_numbers_as_people_read_them() -> None:
    assert [signed(12.4), signed(-0.4), signed(-3.0), signed(float("nan"))] == ["+12%", "0%", "−3%", "–"]
    assert [percent(0.1234, 1), percent(0.0, 3), percent(float("nan"))] == ["12.3%", "0%", "–"]
    assert [age(364), age(730.5), age(float("nan"))] == ["364 d", "2.0 y", "–"]
    assert [outlook(0.4, 0.4, 0.2), outlook(0.45, 0.1, 0.45), outlook(0.1, 0.1, 0.8)] == [
        "holds 40%", "falls 45%", "rises 80%"
    ]  # fmt: skip
    assert decimals_of(pd.Series([0.1, 0.2, 0.3])) == 1
    assert decimals_of(pd.Series([0.0002, 0.0002, 0.0003])) == 3
    assert decimals_of(pd.Series([0.0, 0.0])) == 1


@dataclass(frozen=True)
class _NoConfig:
    """Stands for the config of an earlier stage."""

    out: Path = Path(".")


def _earlier_runs(
    root: Path,
    panel: Panel,
    forecast: pd.DataFrame,
    styles: pd.DataFrame,
    metrics: pd.DataFrame,
    classes: str = "change",
) -> None:
    posts = _posts()
    with open_run(root / "prepare", "prepare", _NoConfig(), {}) as run:
        assert run is not None
        posts.table.to_parquet(run.folder / "posts.parquet")
        posts.pictures.to_parquet(run.folder / "pictures.parquet")
        np.save(run.folder / "images.npy", posts.images)
    with open_run(root / "styles", "styles", _NoConfig(), {"posts": root / "prepare"}) as run:
        assert run is not None
        panel.to_frame().to_parquet(run.folder / "panel.parquet")
        styles.to_parquet(run.folder / "styles.parquet")
        times = pd.to_datetime(["2024-03-30", "2024-03-31", "2024-03-31", "2024-03-31"])
        assignments = pd.DataFrame({"time": times, "emerging": [True, False, False, False]})
        assignments.to_parquet(run.folder / "assignments.parquet")
    config = EnsembleConfig(interval=0.9)
    with open_run(root / "ensemble", "ensemble", config, {"styles": root / "styles"}) as run:
        assert run is not None
        forecast.to_parquet(run.folder / "forecast.parquet")
        metrics.to_csv(run.folder / "metrics.csv", index=False)
        weights = {"weights_at": {}, "weights_latest": {"lightgbm": 0.4}}
        told = weights | ({"classes": classes} if classes else {})
        (run.folder / "weights.json").write_text(json.dumps(told), encoding="utf-8")


def test_whole_stage(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, metrics: pd.DataFrame, tmp_path: Path
) -> None:
    _earlier_runs(tmp_path, make_panel(), forecast, styles, metrics)
    config = LeaderboardConfig(run=tmp_path, out=tmp_path / "board")
    told = main(config)
    assert "2024-03-31 for 2024-05-01 to 2024-05-31" in told
    assert told.endswith(str(tmp_path / "board" / "index.html"))
    assert main(config) == told  # up to date: skipped, and told again
    manifest = load_manifest(tmp_path / "board", "leaderboard")
    tables = {f"{name}.{end}" for name in ("leaderboard", "emerging") for end in ("csv", "parquet", "jsonl")}
    assert set(manifest["files"]) == {*tables, "index.html", "config.json"}
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert '"emerging_share":0.25' in page  # one of four recent items is emerging
    assert '"interval":0.9' in page  # what the ensemble was told to hold
    assert page.count("data:image/jpeg;base64,") == 2  # p1/0 and p2/0
    board = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    assert board["style"].tolist() == ["a", "d", "b", "c"]


@pytest.mark.parametrize(
    ("classes", "outlooks", "by"),
    [("change", ("rises 70%", "falls 70%"), "by probability of rising"),
     ("band:5", ("rises 70%", "falls 70%"), "by probability of rising"),
     ("level", ("high 70%", "low 70%"), "by probability of a high share")],
)  # fmt: skip
def test_the_classes_are_called_what_they_are(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, metrics: pd.DataFrame, tmp_path: Path,
    classes: str, outlooks: tuple[str, str], by: str,
) -> None:  # fmt: skip
    _earlier_runs(tmp_path, make_panel(), forecast, styles, metrics, classes)
    told = main(LeaderboardConfig(run=tmp_path, out=tmp_path / "board", by="rising"))
    assert by in told
    assert all(outlook in told for outlook in outlooks)
    assert ("high" in told, "falls" in told) == (classes == "level", classes != "level")
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert '"reasons_weight":0.4,' in page
    assert f'"classes":"{classes.partition(":")[0]}","band":{5 if classes == "band:5" else 0}' in page


def test_a_run_that_does_not_tell_its_classes_is_refused(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, metrics: pd.DataFrame, tmp_path: Path
) -> None:
    _earlier_runs(tmp_path, make_panel(), forecast, styles, metrics, classes="")
    with pytest.raises(UserError, match=r"does not tell what its classes are: .*--force"):
        main(LeaderboardConfig(run=tmp_path, out=tmp_path / "board"))


def test_a_range_of_origins_is_one_table(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, metrics: pd.DataFrame, tmp_path: Path
) -> None:
    _earlier_runs(tmp_path, make_panel(), forecast, styles, metrics)
    main(LeaderboardConfig(run=tmp_path, out=tmp_path / "both", origin="2024-02-01:"))
    board = pd.read_parquet(tmp_path / "both" / "leaderboard.parquet")
    assert board["origin"].dt.strftime("%m-%d").tolist() == ["02-29"] * 4 + ["03-31"] * 4
    # In February all have a growth of 0, so that the ids order them: a b c d; in March a d b c.
    assert board["rank_change"].tolist() == [pd.NA] * 4 + [0, 2, -1, -1]
    # Told against an earlier folder, nothing else changes; the run's ensemble is as good a name for it.
    main(LeaderboardConfig(run=tmp_path, out=tmp_path / "first", origin="2024-02-29", by="share"))
    config = LeaderboardConfig(run=tmp_path / "ensemble", out=tmp_path / "then", previous=tmp_path / "first")
    main(config)
    then = pd.read_parquet(tmp_path / "then" / "leaderboard.parquet")
    pd.testing.assert_frame_equal(then, board.tail(4).reset_index(drop=True))
    with pytest.raises(UserError, match="none of its leaderboards is earlier than 2024-03-31"):
        main(replace(config, previous=tmp_path / "then", out=tmp_path / "no"))
    with pytest.raises(UserError, match=r"no such origin; it has 2, from 2024-02-29 to 2024-03-31"):
        main(replace(config, origin="2024-03-01:2024-03-30", out=tmp_path / "no"))
    with pytest.raises(UserError, match=r"--comments .* goes with --posts"):
        main(replace(config, comments=tmp_path, out=tmp_path / "no"))
    assert not (tmp_path / "no").exists()


def test_stage_tells_a_bad_origin(
    make_panel: MakePanel, forecast: pd.DataFrame, styles: pd.DataFrame, metrics: pd.DataFrame, tmp_path: Path
) -> None:
    _earlier_runs(tmp_path, make_panel(), forecast, styles, metrics)
    config = LeaderboardConfig(run=tmp_path, out=tmp_path / "board", origin="May")
    with pytest.raises(UserError, match="write YYYY-MM-DD"):
        main(config)
    assert not (tmp_path / "board").exists()
