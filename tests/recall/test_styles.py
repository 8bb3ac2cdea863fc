"""Styles of a feed without pictures: found, named, counted; the future changes nothing that was fitted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from recall.cluster import ClusterConfig
from recall.names import medoids
from recall.styles import StylesConfig, main
from recall.text_vectors import TextVectors
from stylecast.errors import UserError

TOPICS = {
    "dress": ["碎花", "连衣裙", "法式", "浪漫", "雪纺", "田园"],
    "denim": ["牛仔裤", "工装", "复古", "直筒裤", "丹宁", "水洗"],
    "suit": ["西装", "通勤", "衬衫", "极简", "职场", "领带"],
}
CLUSTER = ClusterConfig(k=3, pca=8, umap=2, neighbours=8, max_fit=500)


def feed(path: Path, posts: int = 300, moved: bool = False) -> Path:
    """A feed of three topics; `moved` changes everything after the first 200 posts."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(posts):
        topic = list(TOPICS)[int(rng.integers(3))]
        words = rng.choice(TOPICS[topic], 4, replace=False)
        if moved and number >= 200:
            words = np.array(["机器人", "火箭", "芯片", "电池"])
        day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=number // 4)
        rows.append({"post_id": f"p{number:03d}", "time": day.date(), "title": " ".join(words), "likes": number})
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def find(folder: Path, moved: bool = False) -> Path:
    table = feed(folder / f"{moved}.csv", moved=moved)
    posts = prepare(PrepareConfig(posts=table, out=folder / f"prepare-{moved}", workers=1))
    return main(
        StylesConfig(
            posts=posts, out=folder / f"styles-{moved}", source="text", text_dimensions=16, cut_off="2024-02-20",
            cluster=CLUSTER, figures=False,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("styles")
    return find(folder), find(folder, moved=True)


def test_topics_become_styles_with_telling_names(runs: tuple[Path, Path]) -> None:
    styles = pd.read_parquet(runs[0] / "styles.parquet")
    found = {frozenset(keywords.split()) for keywords in styles["keywords"]}
    assert found == {frozenset(words) for words in TOPICS.values()}


def test_every_post_is_counted_once(runs: tuple[Path, Path]) -> None:
    assignments = pd.read_parquet(runs[0] / "assignments.parquet")
    panel = pd.read_parquet(runs[0] / "panel.parquet")
    assert panel["count"].sum() == pytest.approx((~assignments["emerging"]).sum())
    sums = panel.groupby("date")["share"].sum()
    assert np.allclose(sums[panel.groupby("date")["total"].first() > 0], 1.0)
    assert "likes" in panel


def test_the_future_changes_nothing_before_the_cut_off(runs: tuple[Path, Path]) -> None:
    one, two = (pd.read_parquet(run / "assignments.parquet").set_index("id") for run in runs)
    early = one.index[one["time"] < pd.Timestamp("2024-02-20")]
    assert len(early) == 200
    pd.testing.assert_frame_equal(one.loc[early], two.loc[early])
    for name in ("styles.parquet",):
        columns = ["style", "name", "keywords", "size"]
        pd.testing.assert_frame_equal(
            pd.read_parquet(runs[0] / name)[columns], pd.read_parquet(runs[1] / name)[columns]
        )


def test_posts_of_split_test_are_not_learnt_from(tmp_path: Path) -> None:
    table = pd.read_csv(feed(tmp_path / "feed.csv")).assign(split="train")
    table.loc[table.index % 3 == 0, "split"] = "test"
    found = []
    for name, says in (
        ("plain", table["title"]),
        ("moved", table["title"].mask(table["split"] == "test", "机器人 火箭")),
    ):
        table.assign(title=says).to_csv(tmp_path / f"{name}.csv", index=False)
        posts = prepare(PrepareConfig(posts=tmp_path / f"{name}.csv", out=tmp_path / f"prepare-{name}", workers=1))
        run = main(
            StylesConfig(
                posts=posts, out=tmp_path / name, source="text", text_dimensions=16, cut_off="2024-02-20",
                cluster=CLUSTER, figures=False,
            )
        )  # fmt: skip
        found.append((pd.read_parquet(run / "styles.parquet"), pd.read_parquet(run / "assignments.parquet")))
    (plain, one), (moved, two) = found
    pd.testing.assert_frame_equal(plain[["style", "name", "size"]], moved[["style", "name", "size"]])
    others = table["post_id"][table["split"] == "train"]
    pd.testing.assert_frame_equal(one.set_index("id").loc[others], two.set_index("id").loc[others])


def test_undated_posts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("title\n连衣裙\n", encoding="utf-8")
    posts = prepare(PrepareConfig(posts=tmp_path / "a.csv", out=tmp_path / "prepare"))
    with pytest.raises(UserError, match="styles over time need `time`"):
        main(StylesConfig(posts=posts, out=tmp_path / "styles", source="text", figures=False))


def test_word_vectors_put_words_of_a_topic_together() -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(list(TOPICS.values())[i % 3], 4, replace=False)) for i in range(300)]
    model = TextVectors.fit(texts, 6, min_count=2, seed=0)
    vectors_ND = model.transform(["碎花 连衣裙", "法式 浪漫", "西装 通勤", "unknown"])
    np.testing.assert_allclose(np.linalg.norm(vectors_ND[:3], axis=1), 1.0, rtol=1e-5)
    assert vectors_ND[0] @ vectors_ND[1] > 0.8
    assert vectors_ND[0] @ vectors_ND[2] < 0.3
    assert not vectors_ND[3].any()
    shuffled = TextVectors.fit(texts[::-1], 6, min_count=2, seed=0)
    np.testing.assert_allclose(model.word_VD, shuffled.word_VD, atol=1e-5)


def test_medoids_are_near_and_of_different_families() -> None:
    fitted = pd.DataFrame(
        {"id": ["a/0", "a/1", "b/0", "c/0"], "post_id": ["a", "a", "b", "c"], "style": "s0", "distance": [1, 2, 3, 4]}
    )
    pictures = pd.DataFrame({"picture_id": fitted["id"], "family": [1, 2, 1, 3]})
    posts = Posts(pd.DataFrame(), pictures, np.zeros((4, 1, 1, 3), np.uint8))
    assert medoids(fitted, posts) == {"s0": ["a/0", "c/0"]}
