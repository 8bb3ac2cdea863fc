import hashlib
import json
import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import data.sample as sample
import data.sample_chunks as sample_chunks
from data.sample import SampleConfig, main
from data.sample_camera import damage
from data.sample_dynamics import NOISE_SD, Process, ar1, simulate
from data.sample_oracle import informed_shares, knowable, month_sums
from data.sample_pictures import draw_picture, draw_scene
from data.sample_posts import PROLIFIC, Plan, Post, draw_post, make_plan, written_count
from data.sample_styles import Style, build_styles
from data.sample_text import EMPTY, Writer, write_text
from stylecast.errors import UserError

SMALL = SampleConfig(posts=500, days=400, seed=3, workers=1, picture_size=64)


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return main(replace(SMALL, out=tmp_path_factory.mktemp("sample") / "world"))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(posts=20_000, styles=24, days=1095, start="2021-01-01", pictures=1.5, seed=1)


@pytest.fixture(scope="module")
def posts(plan: Plan) -> list[Post]:
    return [draw_post(plan, number)[0] for number in range(20_000)]


def counts_of(posts: list[Post], process: Process) -> np.ndarray:
    count_ST = np.zeros(process.share_ST.shape)
    for post in posts:
        count_ST[post.style, post.day] += 1
    return count_ST


# --- the folder


def test_same_bytes_whatever_the_workers(world: Path, tmp_path: Path) -> None:
    again = main(replace(SMALL, out=tmp_path / "again", workers=2))
    assert len(hashes(world)) > 600
    assert hashes(world) == hashes(again)


def test_same_bytes_whatever_the_chunks_and_another_seed_differs(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_chunks, "CHUNK", 77)
    assert hashes(main(replace(SMALL, out=tmp_path / "again"))) == hashes(world)
    other = hashes(main(replace(SMALL, out=tmp_path / "other", seed=4)))
    assert other["posts.csv"] != hashes(world)["posts.csv"]


def test_tables_agree_with_each_other_and_with_what_sample_json_tells(world: Path) -> None:
    posts = pd.read_csv(world / "posts.csv", dtype=str, keep_default_na=False)
    truth = pd.read_csv(world / "truth" / "posts.csv")
    pictures = pd.read_csv(world / "truth" / "pictures.csv")
    told = json.loads((world / "sample.json").read_text(encoding="utf-8"))["counts"]
    assert list(posts.columns) == list(sample.POST_COLUMNS)
    assert told["posts"] == truth["post_id"].nunique() == len(truth) == 500
    assert told["rows"] == len(posts)
    assert told["duplicate rows"] == posts["post_id"].duplicated().sum()
    assert told["rows without a year"] == (~posts["time"].str.match(r"\d{4}-")).sum()
    assert told["pictures"] == len(pictures)
    unique = posts.drop_duplicates("post_id")
    named = unique["images"].str.split(";").explode()
    assert list(named) == list(pictures["path"])
    assert all((world / path).is_file() for path in named)
    style_of = truth.set_index("post_id")["style"]
    other = pictures["style"].to_numpy() != style_of.loc[pictures["post_id"]].to_numpy()
    assert told["pictures of another style"] == other.sum()


def test_expected_shares_sum_to_one_each_day(world: Path) -> None:
    shares = pd.read_csv(world / "truth" / "shares.csv")
    assert shares["date"].nunique() == 400
    for column in ("expected_share", "drawn_share"):
        assert shares.groupby("date")[column].sum().to_numpy() == pytest.approx(1, abs=1e-6)


def test_styles_table_names_birth_death_and_a_query_of_known_words(world: Path) -> None:
    styles = pd.read_csv(world / "truth" / "styles.csv", dtype=str, keep_default_na=False)
    shares = pd.read_csv(world / "truth" / "shares.csv").pivot(index="date", columns="style", values="drawn_share")
    assert (styles["born"] > SMALL.start).any()
    assert (styles["died"] != "").any()
    for row in styles.itertuples():
        assert 2 <= len(row.query.split()) <= 3
        assert set(row.query.split()) <= set(row.words.split())
        share = shares[row.style]
        assert (share[share.index < row.born] < 1e-8).all()
        if row.died:
            assert (share[share.index >= row.died] < 1e-8).all()


def test_pictures_decode_and_corrupt_ones_are_marked(world: Path) -> None:
    pictures = pd.read_csv(world / "truth" / "pictures.csv")
    assert set(pictures["kind"]) == {"whole", "near-empty", "corrupt"}
    spread: dict[str, list[float]] = {"whole": [], "near-empty": []}
    for row in pictures.itertuples():
        data = (world / row.path).read_bytes()
        whole = data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9"
        assert whole == (row.kind != "corrupt")
        if whole:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (64, 64, 3)
            spread[row.kind].append(float(image.std()))
    assert max(spread["near-empty"]) < min(spread["whole"])


def test_styles_look_different(plan: Plan) -> None:
    """Pictures of one style are nearer to their own mean silhouette and colour than to others', mostly."""
    rng = np.random.default_rng(0)

    def vectors(style: Style, count: int) -> np.ndarray:
        images = [draw_picture(style, draw_scene(rng, 0), 48, rng) for _ in range(count)]
        return np.stack([cv2.resize(image, (12, 12), interpolation=cv2.INTER_AREA).ravel() for image in images])

    chosen = [plan.styles[k] for k in (0, 2, 6, 8, 13, 15)]
    means = np.stack([vectors(style, 40).mean(axis=0) for style in chosen])
    hits = [
        np.argmin(((means[None] - vectors(style, 25)[:, None]) ** 2).sum(-1), axis=1) == place
        for place, style in enumerate(chosen)
    ]
    assert 0.4 < np.mean(hits) < 0.98  # chance is 0.17; that simple a rule must not be enough either


def test_damage_leaves_no_whole_jpeg() -> None:
    whole = b"\xff\xd8" + bytes(range(200)) * 10 + b"\xff\xd9"
    left = [damage(whole, np.random.default_rng(seed)) for seed in range(60)]
    assert not any(data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") for data in left)
    assert {b""} < set(left)
    assert any(data.startswith(b"\xff\xd8") for data in left)


@pytest.mark.parametrize("blow", [KeyboardInterrupt, RuntimeError])
def test_interrupted_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blow: type[BaseException]
) -> None:
    def fall(*_: object) -> None:
        raise blow

    monkeypatch.setattr(sample, "_write_truth", fall)
    with pytest.raises(blow):
        main(replace(SMALL, out=tmp_path / "world"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_away(world: Path, tmp_path: Path) -> None:
    (tmp_path / ".world.partial" / "images").mkdir(parents=True)
    (tmp_path / ".world.partial" / "images" / "old.jpg").write_bytes(b"old")
    assert hashes(main(replace(SMALL, out=tmp_path / "world"))) == hashes(world)
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize("content", [None, "{}", "no json", '["a"]'])
def test_refuses_a_folder_that_is_no_sample_world(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    if content is not None:
        (tmp_path / "sample.json").write_text(content)
    with pytest.raises(UserError, match="not a sample world"):
        main(replace(SMALL, out=tmp_path))
    assert (tmp_path / "precious.txt").read_text() == "keep me"


def test_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "world").write_text("a file")
    with pytest.raises(UserError, match="not a sample world"):
        main(replace(SMALL, out=tmp_path / "world"))


def test_keeps_the_same_world_and_replaces_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "world"
    caplog.set_level("INFO")
    main(replace(SMALL, out=out))
    before = (out / "sample.json").stat().st_mtime_ns
    main(replace(SMALL, out=out, workers=2))
    assert "kept" in caplog.text
    assert (out / "sample.json").stat().st_mtime_ns == before
    main(replace(SMALL, out=out, seed=9))
    assert "seed 3 → 9" in caplog.text
    assert json.loads((out / "sample.json").read_text(encoding="utf-8"))["config"]["seed"] == 9
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"posts": 499}, "--posts 499"),
        ({"posts": 1_000_001}, "--posts"),
        ({"styles": 1}, "--styles 1"),
        ({"days": 0}, "--days 0"),
        ({"picture_size": 8}, "--picture-size 8"),
        ({"pictures_per_post": math.nan}, "--pictures-per-post nan"),
        ({"seed": -1}, "--seed -1"),
        ({"workers": 0}, "--workers 0"),
        ({"start": "01.01.2021"}, "--start 01.01.2021"),
        ({"start": "2999-01-01"}, "future"),
    ],
)
def test_settings_out_of_range_are_told(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        main(replace(SMALL, out=tmp_path / "world", **changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# --- posts


def test_posts_follow_the_drawn_shares(plan: Plan, posts: list[Post]) -> None:
    process = plan.process
    count_ST = counts_of(posts, process)
    assert count_ST.sum(axis=0) == pytest.approx(process.posts_T)
    observed, _ = month_sums(count_ST, process.days_T)
    wanted, _ = month_sums(process.share_ST * process.posts_T, process.days_T)
    enough = wanted >= 5
    statistic = ((observed - wanted)[enough] ** 2 / wanted[enough]).sum()
    assert chi2.ppf(0.001, enough.sum() - 60) < statistic < chi2.ppf(0.999, enough.sum())
    # and the oracle's shares are near, though not the same
    expected, _ = month_sums(process.expected_ST * process.posts_T, process.days_T)
    assert np.corrcoef(observed.ravel(), expected.ravel())[0, 1] > 0.9
    assert ((observed - expected)[enough] ** 2 / expected[enough]).sum() > statistic


def test_ten_authors_write_a_quarter(posts: list[Post]) -> None:
    counts = Counter(post.author for post in posts)
    top = counts.most_common(PROLIFIC)
    assert {author for author, _ in top} == set(range(PROLIFIC))
    assert sum(count for _, count in top) / len(posts) == pytest.approx(0.25, abs=0.012)
    assert len(counts) > 380


def test_authors_have_a_taste(posts: list[Post]) -> None:
    table = np.zeros((400, 24))
    for post in posts:
        table[post.author, post.style] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    busy = table.sum(1) >= 100
    assert ((table - expected)[busy] ** 2 / np.maximum(expected[busy], 1)).sum() > 3 * busy.sum() * 24


def test_pictures_per_post_and_their_defects(posts: list[Post]) -> None:
    numbers = np.array([len(post.pictures) for post in posts])
    assert set(numbers) <= set(range(1, 7))
    assert numbers.mean() == pytest.approx(1.5, abs=0.02)
    kinds = Counter(picture.kind for post in posts for picture in post.pictures)
    assert kinds["near-empty"] / numbers.sum() == pytest.approx(0.005, abs=0.0016)
    assert kinds["corrupt"] / numbers.sum() == pytest.approx(0.003, abs=0.0013)
    other = sum(picture.style != post.style for post in posts for picture in post.pictures)
    assert other / numbers.sum() == pytest.approx(0.08, abs=0.006)
    defects = Counter(post.defect for post in posts)
    assert 0 < defects["duplicate"] < 60
    assert 0 < defects["no year"] < 60


def test_written_counts() -> None:
    def forms(value: float) -> set[str]:
        return {written_count(value, np.random.default_rng(seed)) for seed in range(200)}

    assert forms(873.9) == {"873"}
    assert forms(12_345) == {"1.2万", "1.2w", "12k+", "12345"}
    assert forms(3_456) == {"3456", "3千"}


# --- dynamics


def test_engagement_leads_the_share_for_a_third_of_the_styles(plan: Plan) -> None:
    process = plan.process
    leading = np.flatnonzero(process.lead_S)
    assert len(leading) == 8
    assert ((process.lead_S[leading] >= 28) & (process.lead_S[leading] <= 56)).all()
    log_ST = np.log(np.maximum(process.share_ST, 1e-6))
    for s in leading:
        lead = process.lead_S[s]
        later, now = log_ST[s, lead:], process.level_ST[s, : -int(lead)]
        free = np.abs(now) < 2  # beyond, the level is clipped
        assert np.corrcoef(later[free], now[free])[0, 1] == pytest.approx(1)
    others = np.setdiff1d(np.arange(24), leading)
    steady = [s for s in others if process.born_S[s] == 0 and process.died_S[s] == 1095]
    related = [abs(np.corrcoef(log_ST[s, 42:], process.level_ST[s, :-42])[0, 1]) for s in steady]
    assert np.mean(related) < 0.35


def test_likes_are_heavy_tailed_and_go_with_collects(posts: list[Post]) -> None:
    pairs = np.array([(int(p.likes), int(p.collects)) for p in posts if p.likes.isdigit() and p.collects.isdigit()])
    logs = np.log1p(pairs)
    assert pairs[:, 0].mean() > 2 * np.median(pairs[:, 0])
    assert np.corrcoef(logs.T)[0, 1] > 0.8


def test_ar1_has_the_sd_and_memory_asked_for() -> None:
    path = ar1(np.random.default_rng(0), 200_000, sd=0.25, memory=30)
    assert path.std() == pytest.approx(0.25, rel=0.05)
    assert np.corrcoef(path[30:], path[:-30])[0, 1] == pytest.approx(math.exp(-1), abs=0.05)


def test_more_posts_at_the_weekend_and_in_later_years(plan: Plan) -> None:
    posts = pd.Series(plan.process.posts_T, pd.DatetimeIndex(plan.process.days_T))
    weekend = posts.index.dayofweek >= 5
    assert posts[weekend].mean() > 1.1 * posts[~weekend].mean()
    assert posts["2023"].sum() > 1.5 * posts["2021"].sum()
    assert posts.sum() == 20_000


def test_month_sums_leave_out_cut_months() -> None:
    days = np.datetime64("2021-01-30") + np.arange(2 + 28 + 31 + 3)
    sums, months = month_sums(np.ones((1, len(days))), days)
    assert list(months.astype(str)) == ["2021-02", "2021-03"]
    assert sums.tolist() == [[28, 31]]


def test_informed_oracle_knows_the_noise_until_the_origin_and_forgets_it_after(plan: Plan) -> None:
    process = plan.process
    shares_ST = informed_shares(process, origin=500)
    assert shares_ST.sum(axis=0) == pytest.approx(1)
    assert shares_ST[:, :501] == pytest.approx(process.share_ST[:, :501])
    assert shares_ST[:, 1000] == pytest.approx(process.expected_ST[:, 1000], abs=1e-6)


def test_future_is_partly_knowable(plan: Plan, posts: list[Post]) -> None:
    found = knowable(plan.process, counts_of(posts, plan.process))
    assert [found[key]["months"] for key in ("all_months", "last_12_months")] == [34, 12]
    for error in found.values():
        oracle, repeat, luck = (error[f"{key}_mae"] for key in ("oracle", "persistence", "sampling"))
        assert oracle is not None
        assert repeat is not None
        assert luck is not None
        assert luck < oracle < 0.6 * repeat
    whole = found["all_months"]
    assert (whole["sampling_mae"] or 0) < (whole["informed_oracle_mae"] or 0) < (whole["oracle_mae"] or 0)


def test_too_few_months_to_score() -> None:
    process = simulate(build_styles(5), "2021-01-01", 45, 500, seed=0)
    found = knowable(process, process.share_ST * process.posts_T)
    assert found["all_months"] == {
        "months": 0, "oracle_mae": None, "informed_oracle_mae": None, "persistence_mae": None, "sampling_mae": None,
    }  # fmt: skip


def test_noise_is_no_larger_than_told(plan: Plan) -> None:
    assert plan.process.noise_ST.std() == pytest.approx(NOISE_SD, rel=0.1)


# --- styles and words


@pytest.mark.parametrize("count", [2, 24, 60, 300])
def test_styles_are_distinct_and_do_not_depend_on_their_number(count: int) -> None:
    styles = build_styles(count)
    assert len(styles) == count
    assert styles[:2] == build_styles(2)
    for key in (
        lambda style: (style.garment, style.palette, style.pattern, style.cut),
        lambda style: style.name,
        lambda style: style.style,
        lambda style: style.query,
    ):
        assert len({key(style) for style in styles}) == count


def test_some_styles_differ_by_nothing_but_pattern_palette_or_cut() -> None:
    def look(style: Style) -> tuple[str, ...]:
        return (style.garment, style.palette, style.pattern, style.cut)

    only: Counter[int] = Counter()
    for one, other in combinations(build_styles(24), 2):
        different = [k for k in range(4) if look(one)[k] != look(other)[k]]
        if len(different) == 1:
            only[different[0]] += 1
    assert only[1] >= 3
    assert only[2] >= 3
    assert only[3] >= 1


def test_words_of_other_styles_are_noise_of_one_in_seven() -> None:
    styles = build_styles(24)
    writer = Writer(styles[0], [styles[17]], np.random.default_rng(0))
    foreign = np.mean([writer.word("g") in ("牛仔裤", "裤子", "丹宁", "jeans") for _ in range(4000)])
    assert foreign == pytest.approx(0.15, abs=0.02)


def test_texts_are_empty_long_and_carry_boilerplate_at_times() -> None:
    styles = build_styles(24)
    texts = [
        write_text(styles[k % 24], styles[:2], "2021-05-17", "时尚", np.random.default_rng(k)) for k in range(4000)
    ]
    empty = [not (text.title or text.content or text.tags) for text in texts]
    assert np.mean(empty) == pytest.approx(EMPTY, abs=0.015)
    assert np.mean([" - 小红书,,05-17,," in text.title + text.content for text in texts]) > 0.1
    assert max(len(text.content) for text in texts) > 250
    assert not any("{" in text.title + text.content + text.tags for text in texts)
    tagged = [text.tags for text in texts if text.tags]
    assert all(tags.startswith("#") for tags in tagged)
    assert np.mean([any(tag in tags for tag in ("穿搭", "ootd", "小红书")) for tags in tagged]) > 0.6
