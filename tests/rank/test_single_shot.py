from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.posts import Posts
from rank.post_alike import Memory
from rank.post_inputs import bars, daily_record, past
from rank.post_net import PostNetConfig, SingleShot
from rank.post_table import best_threshold
from rank.score_posts import ScorePostsConfig
from rank.score_posts import main as score
from rank.single_shot import SingleShotConfig, label, main
from stylecast.errors import UserError
from stylecast.loop import LoopConfig
from stylecast.runs import load_manifest
from tests.rank.runs import make_posts, make_runs

LOOP = LoopConfig(epochs=4, min_steps=120, max_steps=120, batch_size=128, lr=5e-3, precision="fp32")
NET = PostNetConfig(width=16, dropout=0.1, members=1, loop=LOOP)


# What is known of a post


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.integers(0, 40), st.floats(-3, 3)), min_size=1, max_size=25)
)
def test_the_past_matches_the_slow_way(rows: list[tuple[str, int, float]]) -> None:
    keys, days, values = zip(*rows, strict=True)
    time_N = pd.Timestamp("2024-01-01 13:00") + pd.to_timedelta(list(days), unit="D")
    key, value_N = pd.Series(keys), np.array(values)
    mean_N, count_N = past(daily_record(key, time_N, value_N), key, time_N, 0.5)
    for place, (name, day, _) in enumerate(rows):
        earlier = [v - 0.5 for k, d, v in rows if k == name != "" and d <= day - 7]
        assert count_N[place] == len(earlier)
        assert mean_N[place] == pytest.approx(sum(earlier) / (len(earlier) + 3), abs=1e-9)


def test_posts_alike_match_the_slow_way() -> None:
    rng = np.random.default_rng(0)
    day_M = np.sort(rng.integers(0, 90, 40))
    time_M = pd.Timestamp("2024-01-01 09:00") + pd.to_timedelta(day_M, unit="D")
    vectors_MD = rng.normal(size=(40, 3)).astype(np.float16)
    vectors_MD[::7] = 0
    surprise_M = rng.normal(size=40)
    memory = Memory.of(time_M, surprise_M, {"text": vectors_MD})
    found_M = memory.alike("text", vectors_MD, time_M)
    for place, day in enumerate(day_M):
        near = [m for m in range(40) if 7 <= day - day_M[m] < 37 and vectors_MD[m].any()]
        weights = [np.exp((float(vectors_MD[place].astype(float) @ vectors_MD[m]) - 1) / 0.1) for m in near]
        expected = sum(w * surprise_M[m] for w, m in zip(weights, near, strict=True)) / (sum(weights) + 3)
        assert found_M[place] == pytest.approx(expected if vectors_MD[place].any() else 0.0, rel=1e-4, abs=1e-9)
    some = np.array([30, 39, 12])
    assert memory.alike("text", vectors_MD[some], time_M[some]).tolist() == found_M[some].tolist()


def test_bars_by_hand() -> None:
    time_N = pd.DatetimeIndex(["2024-01-05"] * 20 + ["2024-02-05"] * 20 + ["2024-03-05"] * 5 + ["2024-04-05"] * 2)
    value_N = np.concatenate([np.arange(20), 100 + np.arange(20), [7.0] * 5, [999.0] * 2])
    train_N = np.arange(47) < 45
    bar_N = bars(value_N, time_N, train_N, 0.25)
    assert bar_N[0] == np.quantile(np.arange(20), 0.75)
    assert bar_N[20] == 100 + bar_N[0]
    # March is too short for a bar of its own; April has that of the last three months of training, never its own.
    assert bar_N[40] == bar_N[45] == np.quantile(value_N[:45], 0.75)


def test_later_engagement_sets_no_bar() -> None:
    posts = make_posts()
    other = posts.assign(likes=posts["likes"].where(posts["time"] < "2023-08-01", posts["likes"] * 100))
    before, after = (
        label(Posts(p, pd.DataFrame({"post_id": []}), np.zeros((0,))), 0.2, pd.Timestamp("2023-07-01"))
        for p in (posts, other)
    )
    early = posts["time"] < "2023-08-01"
    assert (before.hot_N[early] == after.hot_N[early]).all()
    assert after.hot_N[~early].all()
    assert [int((before.split_N == n).sum()) for n in ("train", "validation", "test")] == [
        int((posts["time"] < "2023-07-01").sum()),
        (int((posts["time"] >= "2023-07-01").sum())) // 2,
        (int((posts["time"] >= "2023-07-01").sum()) + 1) // 2,
    ]


def test_posts_that_a_split_holds_back_teach_nothing() -> None:
    posts = make_posts().sort_values(["time", "post_id"]).reset_index(drop=True)
    early_N = (posts["time"] < "2023-07-01").to_numpy()
    posts["split"] = np.resize(["Train", " test ", "validation", "valid", ""], len(posts))
    held_N = (posts["split"] == " test ").to_numpy()
    valid_N = posts["split"].str.startswith("valid").to_numpy()
    louder = posts.assign(likes=posts["likes"].where(~(early_N & (held_N | valid_N)), posts["likes"] * 100))
    one, other = (
        label(Posts(p, pd.DataFrame({"post_id": []}), np.zeros((0,))), 0.2, pd.Timestamp("2023-07-01"))
        for p in (posts, louder)
    )
    assert (one.split_N[held_N] == "test").all()
    assert (one.split_N[early_N & valid_N] == "validation").all()
    assert (one.split_N[early_N & ~held_N & ~valid_N] == "train").all()
    assert "train" not in one.split_N[~early_N]  # time goes before a split that would teach
    # They set no bar.
    assert (one.hot_N[one.part("train")] == other.hot_N[one.part("train")]).all()
    assert other.hot_N[early_N & held_N].all()


def test_the_threshold_of_f1_by_hand() -> None:
    truth_N = np.array([False, False, True, False, True, True])
    assert best_threshold(truth_N, np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])) == 0.3
    assert best_threshold(truth_N, np.zeros(6)) == float("inf")


# The stage


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_runs(tmp_path_factory.mktemp("single"), make_posts())


@pytest.fixture(scope="module")
def config(runs: dict[str, Path]) -> SingleShotConfig:
    return SingleShotConfig(
        posts=runs["posts"], recall=runs["recall"], garment=runs["garment"], styles=runs["styles"],
        numbers=("followers",), net=NET, out=runs["posts"].parent / "single-shot",
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(config: SingleShotConfig) -> str:
    return main(config)


def test_it_beats_the_floors(config: SingleShotConfig, finished: str) -> None:
    load_manifest(config.out, "single-shot")
    table = pd.read_csv(config.out / "metrics.csv").set_index("model")
    assert list(table.index) == ["single-shot", "majority (never hot)", "author's past mean", "style's past mean"]
    assert table["auc"]["majority (never hot)"] == 0.5
    assert table["f1"]["majority (never hot)"] == 0.0
    assert 0.55 < table["auc"]["author's past mean"] < 0.85
    assert table["auc"]["single-shot"] > 0.9
    assert table["auc_low"]["single-shot"] < table["auc"]["single-shot"] < table["auc_high"]["single-shot"]
    assert (table.loc["single-shot", ["average_precision", "f1"]] > 0.6).all()
    assert "author's past mean" in finished
    assert main(config) == finished


def test_a_posts_own_engagement_is_not_read(config: SingleShotConfig, finished: str, tmp_path: Path) -> None:
    """Last week's likes change: no probability of these posts does, for no author's record holds them yet."""
    posts = make_posts()
    last = posts["time"] >= posts["time"].max().normalize() - pd.Timedelta(days=5)
    moved = make_runs(tmp_path, posts.assign(likes=posts["likes"].where(~last, 12345.0)))
    other = replace(config, **{name: moved[name] for name in ("posts", "recall", "garment", "styles")})
    main(replace(other, out=tmp_path / "single-shot"))
    before, after = (pd.read_parquet(out / "predictions.parquet") for out in (config.out, tmp_path / "single-shot"))
    assert before["p_hot"].tolist() == after["p_hot"].tolist()
    assert before["hot"].tolist() != after["hot"].tolist()


def test_new_posts_are_scored_by_the_stored_model(config: SingleShotConfig, finished: str, tmp_path: Path) -> None:
    out = tmp_path / "hot.parquet"
    asked = ScorePostsConfig(
        model=config.out, posts=config.posts, recall=config.recall, garment=config.garment, out=out
    )
    assert f"{len(make_posts())} posts" in score(asked)
    told = pd.read_parquet(out)
    assert told["p_hot"].is_monotonic_decreasing
    expected = pd.read_parquet(config.out / "predictions.parquet").set_index("post_id")["p_hot"]
    assert told.set_index("post_id")["p_hot"].loc[expected.index].tolist() == expected.tolist()
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        score(replace(asked, out=tmp_path / "taken" / "hot.parquet"))
    with pytest.raises(UserError, match="trained with --recall"):
        score(replace(asked, recall=None))
    with pytest.raises(UserError, match="another run"):
        score(replace(asked, garment=make_runs(tmp_path, make_posts(seed=2), seed=3)["garment"]))
    (config.out / "single_shot.safetensors").rename(tmp_path / "weights")
    with pytest.raises(UserError, match="missing"):
        score(asked)
    (tmp_path / "weights").rename(config.out / "single_shot.safetensors")


def test_texts_alone_are_read_by_word_vectors(config: SingleShotConfig, tmp_path: Path) -> None:
    texts = replace(config, recall=None, garment=None, modalities=("text",), numbers=(), out=tmp_path / "texts")
    main(texts)
    model = SingleShot.load(texts.out)
    assert (list(model.sides), model.names) == (["text"], ())
    score(ScorePostsConfig(model=texts.out, posts=config.posts, out=tmp_path / "hot.parquet"))
    told = pd.read_parquet(tmp_path / "hot.parquet").set_index("post_id")["p_hot"]
    expected = pd.read_parquet(texts.out / "predictions.parquet").set_index("post_id")["p_hot"]
    assert told.loc[expected.index].tolist() == expected.tolist()


def test_errors_name_the_remedy(config: SingleShotConfig, tmp_path: Path) -> None:
    fresh = replace(config, out=tmp_path / "out")
    for wrong, told in (
        (replace(fresh, numbers=("likes",)), "not known when a post is written"),
        (replace(fresh, numbers=("age",)), "--numeric age"),
        (replace(fresh, hot_part=1.0), "--hot-part 1.0"),
        (replace(fresh, cut_off="2030-01-01"), "0 posts with engagement for validation"),
        (replace(fresh, recall=None, modalities=("picture",)), "picture: needs --recall"),
    ):
        with pytest.raises(UserError, match=told):
            main(wrong)
