"""Emerging styles: a planted one is proposed in its month, without a look ahead, and accepted with a new id."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from recall.accept import AcceptConfig, AcceptedConfig, read_proposals
from recall.accept import main as emerging
from recall.cluster import Clusters
from recall.counts import CountSettings
from recall.emerging import EmergingConfig, Scan, dense_groups, scan
from recall.lineage import Previous, no_lineage
from recall.names import Words
from recall.style_tables import describe, write_tables
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import open_run

CUT_OFF = pd.Timestamp("2024-03-01")
CENTRES = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])  # the third is born in April


def planted(moved: pd.Timestamp | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """Two styles from January on, a third from April on, and stragglers; `moved` changes what comes from then on."""
    rng = np.random.default_rng(0)
    days = np.sort(rng.integers(0, 182, 1200))
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")
    kind_N = rng.integers(0, 2, 1200)
    kind_N[(time >= "2024-04-01") & (rng.random(1200) < 0.2)] = 2
    vectors_ND = CENTRES[kind_N] + rng.normal(size=(1200, 3))
    strays = rng.random(1200) < 0.02
    vectors_ND[strays] = rng.uniform(-40, 40, (strays.sum(), 3))
    words = np.array(["旗袍 国风", "卫衣 街头", "蘑菇 森系"], dtype=object)[kind_N]
    if moved is not None:
        vectors_ND[time >= moved] = 30 + rng.normal(size=((time >= moved).sum(), 3))
        words[time >= moved] = "火箭"
    ids = [f"p{i:04d}" for i in range(1200)]
    posts = pd.DataFrame(
        {"post_id": ids, "time": time, "title": words, "author_id": [f"a{i % 50}" for i in range(1200)]}
    )
    return posts, vectors_ND


def find(
    posts: pd.DataFrame, vectors_ND: np.ndarray, config: EmergingConfig | None = None
) -> tuple[Scan, pd.DataFrame]:
    clusters = Clusters(np.zeros(3), np.eye(3), CENTRES[:2], 4.0, {}, {})
    labels_N, distance_N = clusters.predict(vectors_ND)
    ids = ["s00", "s01"]
    assignments = posts[["post_id", "time"]].assign(
        id=posts["post_id"],
        style=np.array(ids, dtype=object)[labels_N],
        distance=distance_N.astype(np.float32),
        emerging=distance_N > 4,
    )
    first_N = (posts["time"] < CUT_OFF).to_numpy()
    words = Words.of(posts.rename(columns={"title": "words"}))
    styles = pd.DataFrame({"style": ids, "name": ["旗袍 · 国风", "卫衣 · 街头"]})
    settings = config or EmergingConfig()
    found = scan(assignments, first_N, vectors_ND, clusters, ids, styles, posts, words, CUT_OFF, settings)
    return found, assignments


def test_groups_by_hand() -> None:
    point_MP = np.array([[0.0, 0], [0, 1], [9, 9], [1, 0], [50, 50]])
    assert [group.tolist() for group in dense_groups(point_MP, 1.0, 1.0)] == [[0, 1, 3], [2], [4]]
    # Within 10 √2 of each other on average, but not of the last.
    assert [group.tolist() for group in dense_groups(point_MP, 10.0, 1.0)] == [[0, 1, 2, 3], [4]]
    assert dense_groups(point_MP[:1], 1.0, 1.0) == []


def test_a_planted_style_is_proposed_in_its_month() -> None:
    proposals = find(*planted())[0].proposals
    assert proposals["month"].tolist() == ["2024-04", "2024-05", "2024-06"]
    assert set(proposals["first"]) == {"e2024-04-1"}  # one group, found again
    assert proposals["name"].iloc[0] == "森系 · 蘑菇"
    assert proposals["known_from"].tolist() == list(pd.to_datetime(["2024-05-01", "2024-06-01", "2024-07-01"]))
    april = proposals.iloc[0]
    assert april["nearest"] == "s00"
    assert april["distance"] == pytest.approx(10, abs=1)
    assert april["posts"] == april["new"]
    assert np.isnan(april["growth"])
    may = proposals.iloc[1]
    assert may["growth"] == pytest.approx(may["share"] / april["share"] - 1)


def test_the_future_changes_no_scan() -> None:
    one, two = find(*planted())[0].proposals, find(*planted(moved=pd.Timestamp("2024-06-01")))[0].proposals
    pd.testing.assert_frame_equal(one.iloc[:2], two.iloc[:2])
    assert "火箭" in two.loc[two["month"] == "2024-06", "name"].tolist()


def test_the_order_of_rows_changes_nothing() -> None:
    posts, vectors_ND = planted()
    order = np.random.default_rng(1).permutation(len(posts))
    shuffled = find(posts.iloc[order].reset_index(drop=True), vectors_ND[order])[0]
    whole = find(posts, vectors_ND)[0]
    pd.testing.assert_frame_equal(whole.proposals, shuffled.proposals)
    np.testing.assert_array_equal(whole.centroid_EP, shuffled.centroid_EP)


def test_a_single_author_proposes_nothing() -> None:
    posts, vectors_ND = planted()
    posts.loc[posts["title"] == "蘑菇 森系", "author_id"] = "loud"
    assert find(posts, vectors_ND)[0].proposals.empty
    assert find(*planted(), EmergingConfig(min_posts=0))[0].proposals.empty


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `styles` with the planted styles, written as the stage does."""
    folder = tmp_path_factory.mktemp("emerging")
    table, vectors_ND = planted()
    table.to_csv(folder / "posts.csv", index=False)
    read = prepare(PrepareConfig(posts=folder / "posts.csv", out=folder / "prepare", workers=1))
    found, assignments = find(table, vectors_ND)
    config = AcceptedConfig(accept=(), cut_off=str(CUT_OFF.date()), figures=False)
    with open_run(folder / "styles", "styles", config, {"posts": read}) as run:
        assert run is not None
        posts = Posts.load(read)
        first_N = (assignments["time"] < CUT_OFF).to_numpy()
        styles = describe(assignments, first_N, ["s00", "s01"], posts, Words.of(posts.table), pictures=False)
        write_tables(run.folder, assignments, styles, posts.table, CountSettings())
        write_csv(no_lineage(), run.folder / "lineage.csv")
        Clusters(np.zeros(3), np.eye(3), CENTRES[:2], 4.0, {}, {}).save(run.folder / "clusters.safetensors")
        found.save(run.folder)
    return folder / "styles"


def test_an_accepted_style_takes_what_comes_after_its_scan(run_folder: Path, tmp_path: Path) -> None:
    assert "e2024-06-1" in emerging(AcceptConfig(styles=run_folder))
    emerging(AcceptConfig(styles=run_folder, accept=("e2024-05-1",), out=tmp_path / "new"))
    before, after = (pd.read_parquet(f / "assignments.parquet").set_index("id") for f in (run_folder, tmp_path / "new"))
    truth = planted()[0].set_index("post_id")["title"] == "蘑菇 森系"
    late = after["time"] >= "2024-06-01"
    assert ((after["style"] == "s02") & ~late).sum() == 0
    assert (after["style"] == "s02")[late & truth.reindex(after.index)].mean() > 0.9
    pd.testing.assert_frame_equal(before[~late], after[~late])
    panel = pd.read_parquet(tmp_path / "new" / "panel.parquet")
    sums = panel.groupby("date")["share"].sum()
    assert np.allclose(sums[panel.groupby("date")["total"].first() > 0], 1.0)
    styles = pd.read_parquet(tmp_path / "new" / "styles.parquet").set_index("style")
    assert styles.loc["s02", "first_seen"].month == 4
    assert styles.loc["s02", "known_from"] == pd.Timestamp("2024-06-01")
    assert Clusters.load(tmp_path / "new" / "clusters.safetensors").centroids_KP.shape == (3, 3)
    assert (tmp_path / "new" / "shares.png").stat().st_size > 0
    assert Previous.load(tmp_path / "new").ids == ["s00", "s01", "s02"]
    # The group is a style now: it is neither shown nor taken again.
    assert "nothing new" in emerging(AcceptConfig(styles=tmp_path / "new"))
    with pytest.raises(UserError, match="a style already"):
        emerging(AcceptConfig(styles=tmp_path / "new", accept=("e2024-06-1",), out=tmp_path / "third"))


def test_what_cannot_be_accepted_is_told(run_folder: Path, tmp_path: Path) -> None:
    config = AcceptConfig(styles=run_folder, accept=("e2024-05-1",), out=tmp_path / "new")
    with pytest.raises(UserError, match="no such proposal"):
        emerging(replace(config, accept=("e1999-01-1",)))
    with pytest.raises(UserError, match="of one group"):
        emerging(replace(config, accept=("e2024-04-1", "e2024-05-1")))
    with pytest.raises(UserError, match="--out"):
        emerging(replace(config, out=None))
    assert read_proposals(run_folder)["accepted"].eq("").all()
