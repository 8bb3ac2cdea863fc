"""Posts that a run has already, taken in under new ids: they get what the run's own path gave them."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from data.sentiment import COLUMN
from ensemble.audit import AuditConfig
from ensemble.audit import main as audit
from ensemble.audit_parts import Runs
from ensemble.leaderboard import LeaderboardConfig, main
from ensemble.train import EnsembleConfig
from ensemble.train import main as ensemble
from pretrain.caption import CaptionConfig
from pretrain.caption import main as caption
from pretrain.recipes import tiny as tiny_pretrain
from pretrain.train import main as pretrain
from rank.recipes import tiny as tiny_rank
from rank.train import main as rank
from recall.accept import AcceptConfig
from recall.accept import main as emerging
from recall.cluster import ClusterConfig, Clusters
from recall.embeddings import HEADS
from recall.new_posts import NewPosts
from recall.recipes import tiny
from recall.styles import StylesConfig
from recall.styles import main as styles
from recall.take_in import Taken, take_in
from recall.train import main as recall
from stylecast.errors import UserError
from stylecast.runs import open_run
from tests.data.test_sentiment import checkpoint
from tests.pretrain.shapes import shapes_feed

NOISE = ("咖啡", "周末", "公园", "电影", "早餐", "音乐", "展览", "夜市")
SOME = slice(0, None, 3)
CLUSTER = ClusterConfig(k=4, pca=8)


@dataclass(frozen=True)
class Nothing:
    """A config without settings."""


def copied(feed: Path, to: Path, part: slice = slice(None)) -> Path:
    """A table again, some or all posts of it under new ids."""
    table = pd.read_csv(feed, dtype=str, keep_default_na=False)[part]
    table.assign(post_id="n" + table["post_id"]).to_csv(to, index=False)
    return to


def folders_of(folder: Path, **inputs: Path) -> dict[str, Path]:
    """The runs below a run of `rank` that was made from these, as `leaderboard` finds them."""
    with open_run(folder, "rank", Nothing(), inputs) as run:
        assert run is not None
    return Runs.below(folder).folders


def assert_alike(taken: Taken, run: Path) -> pd.DataFrame:
    """Every copy has the assignment of its first, or none as that; the copies by the first's id.

    Distances of pictures are the same but for the last bit of their half-precision vectors.
    """
    known = pd.read_parquet(run / "assignments.parquet").set_index("id")
    known = known[known["post_id"].isin(taken.posts.table["post_id"].str[1:])]
    copies = taken.assigned.assign(id=taken.assigned["id"].str[1:]).set_index("id")
    assert len(copies) == len(known) > 10
    columns = ["style", "distance", "emerging", "generated"]
    pd.testing.assert_frame_equal(copies.loc[known.index, columns], known[columns], rtol=1e-3)
    assert known["style"].nunique() > 1
    return copies


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs whose pictures were segmented: an encoder of whole pictures, and `garment`, which sees the clothes alone."""
    folder = tmp_path_factory.mktemp("garments")
    feed = shapes_feed(folder / "feed", posts=160)
    prepare(PrepareConfig(posts=feed, out=folder / "prepare", picture_size=24, workers=1, now="2024-06-01",
                          segment="grabcut", segment_size=24))  # fmt: skip
    config = tiny_pretrain()
    loop = replace(config.loop, epochs=1, batch_size=16)
    pretrain(replace(config, posts=folder / "prepare", out=folder / "pretrain", loop=loop))
    for name, view in (("recall", "picture"), ("garment", "garment")):
        loop = replace(tiny().loop, epochs=1, batch_size=16)
        recall(replace(tiny(), posts=folder / "prepare", pretrain=folder / "pretrain", out=folder / name, view=view,
                       loop=loop, pool=10))  # fmt: skip
    return folder


@pytest.mark.parametrize(("source", "run"), [("garment", "garment"), ("pictures", "recall")])
def test_pictures_and_garments_go_to_the_styles_of_their_view(
    garments: Path, tmp_path: Path, source: str, run: str
) -> None:
    found = styles(StylesConfig(posts=garments / "prepare", recall=garments / run, out=tmp_path / "styles",
                                source=source, cut_off="2024-03-01", cluster=CLUSTER, figures=False,
                                duplicates="once"))  # fmt: skip
    folders = folders_of(tmp_path / "rank", posts=garments / "prepare", styles=found, recall=garments / run,
                         garment=garments / "garment")  # fmt: skip
    new = NewPosts(posts=copied(garments / "feed" / "posts.csv", garments / "feed" / f"{source}.csv", SOME))
    taken = take_in(folders, new, tmp_path / "work")
    assert_alike(taken, found)
    # What the fusion-LSTM reads, `rank --garment` among it, is what the run's own encoders gave.
    for here, there in (("recall", run), ("garment", "garment")):
        for part, name in (("", HEADS), ("", "vectors.npy"), ("text", "vectors.npy")):
            old, now = ({post: vector for post, vector in zip(pd.read_parquet(place / part / "ids.parquet")["id"],
                                                              np.load(place / part / name), strict=True)}
                        for place in (garments / there, tmp_path / "work" / here))  # fmt: skip
            assert 40 < len(now) < 0.5 * len(old)
            for post, vector in now.items():
                np.testing.assert_allclose(vector, old[post[1:]], rtol=1e-3, atol=1e-6)
    views = [np.load(garments / name / "vectors.npy") for name in ("recall", "garment")]
    assert np.abs(views[0] - views[1]).max() > 0.01
    # Copies of the run's own pictures count nothing where copies count once.
    assert (taken.assigned["duplicate_of"] != "").all()
    np.testing.assert_array_equal(taken.panel.count_ST, Panel.read(found / "panel.parquet", granularity="day").count_ST)


@pytest.fixture(scope="module")
def captions(shapes: Path) -> Path:
    return caption(CaptionConfig(posts=shapes / "prepare", pretrain=shapes / "pretrain", out=shapes / "written"))


@pytest.mark.parametrize(("source", "filled"), [("text", True), ("text", False), ("both", True), ("both", False)])
def test_silent_posts_are_filled_only_where_the_run_filled_them(
    shapes: Path, recall_run: Path, captions: Path, tmp_path: Path, source: str, filled: bool
) -> None:
    found = styles(StylesConfig(posts=shapes / "prepare", recall=recall_run if source == "both" else None,
                                captions=captions if filled else None, out=tmp_path / "styles", source=source,
                                text_dimensions=4, cut_off="2024-03-01", cluster=CLUSTER, figures=False))  # fmt: skip
    folders = folders_of(tmp_path / "rank", posts=shapes / "prepare", styles=found)
    new = NewPosts(posts=copied(shapes / "feed" / "posts.csv", shapes / "feed" / f"{source}-{filled}.csv", SOME))
    taken = take_in(folders, new, tmp_path / "work")
    copies, said = assert_alike(taken, found), taken.posts.table.set_index("post_id")["words"]
    # The posts themselves say no more than they did.
    silent = set(said.index[said == ""])
    assert silent == {f"n{post}" for post in pd.read_parquet(captions / "captions.parquet")["post_id"]} & set(
        said.index
    )
    assert len(silent) == 5
    assert set(copies.loc[copies["generated"], "post_id"]) == (silent if filled else set())
    assert taken.told["without"] == (5 if source == "text" and not filled else 0)


def texts_feed(folder: Path) -> Path:
    """Two styles of words; from April on a third, which has words of both; few late ones say nothing else."""
    rng = np.random.default_rng(0)
    kinds = [["旗袍", "国风"], ["卫衣", "街头"], ["旗袍", "街头"]]
    rows = []
    for number in range(900):
        day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=number // 5)
        kind = 2 if day >= pd.Timestamp("2024-04-01") and rng.random() < 0.3 else int(rng.integers(2))
        words = [*kinds[kind], *rng.choice(NOISE, 2, replace=False)]
        if number >= 800 and number % 20 == 0:
            words = kinds[2]
        rows.append({"post_id": f"p{number:03d}", "time": day.date(), "title": " ".join(words),
                     "likes": int(rng.integers(100)), "author_id": f"a{number % 30}"})  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "posts.csv", index=False)
    return folder / "posts.csv"


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Styles of texts with the sentiment of the posts' comments, and `styles-2`, into which a third was accepted."""
    folder = tmp_path_factory.mktemp("heard")
    feed, model = texts_feed(folder), checkpoint(folder / "stars", ["1 star", "3 stars", "5 stars"])
    rng = np.random.default_rng(1)
    told = [(f"p{post:03d}", "".join(rng.choice(list("好看丑喜欢讨厌"), 3))) for post in rng.integers(0, 900, 500)]
    pd.DataFrame(told, columns=["post_id", "text"]).to_csv(folder / "comments.csv", index=False)
    prepare(PrepareConfig(posts=feed, out=folder / "prepare", workers=1, comments=folder / "comments.csv",
                          sentiment=str(model)))  # fmt: skip
    cluster = ClusterConfig(k=2, pca=8, far_quantile=0.99)
    styles(StylesConfig(posts=folder / "prepare", out=folder / "styles", source="text", text_dimensions=8,
                        cut_off="2024-03-01", cluster=cluster, figures=False))  # fmt: skip
    proposed = pd.read_csv(folder / "styles" / "emerging.csv")
    chosen = proposed.loc[proposed["month"] == "2024-04", "proposal"].iloc[0]
    emerging(AcceptConfig(styles=folder / "styles", accept=(chosen,), out=folder / "styles-2", figures=False))
    return folder


@pytest.fixture(scope="module")
def again(heard: Path) -> NewPosts:
    return NewPosts(posts=copied(heard / "posts.csv", heard / "new.csv"),
                    comments=copied(heard / "comments.csv", heard / "new_comments.csv"))  # fmt: skip


def test_comments_feel_what_they_felt(heard: Path, again: NewPosts, tmp_path: Path) -> None:
    folders = folders_of(tmp_path / "rank", posts=heard / "prepare", styles=heard / "styles")
    taken = take_in(folders, again, tmp_path / "work")
    assert_alike(taken, heard / "styles")
    before, after = (table.set_index("post_id")[COLUMN] for table in (Posts.load(heard / "prepare").table,
                                                                     taken.posts.table))  # fmt: skip
    pd.testing.assert_series_equal(after.rename(lambda post: post[1:]), before)
    assert 100 < before.isna().sum() < 800
    assert before.nunique() > 20
    # Both signs are counted, and every sum is that of twice as many posts.
    panel = Panel.read(heard / "styles" / "panel.parquet", granularity="day")
    assert {f"{COLUMN}_plus", f"{COLUMN}_minus", "likes"} <= set(panel.numeric)
    assert set(taken.panel.numeric) == set(panel.numeric)
    for name, sums_ST in panel.numeric.items():
        np.testing.assert_allclose(taken.panel.numeric[name], 2 * sums_ST, rtol=1e-9)
        assert sums_ST.sum() > 0


def test_an_accepted_style_takes_what_it_took(heard: Path, again: NewPosts, tmp_path: Path) -> None:
    folders = folders_of(tmp_path / "rank", posts=heard / "prepare", styles=heard / "styles-2")
    taken = take_in(folders, again, tmp_path / "work")
    copies = assert_alike(taken, heard / "styles-2")
    mine = copies[copies["style"] == "s02"]
    assert len(mine) > 50
    assert mine["distance"].max() <= Clusters.load(heard / "styles-2" / "clusters.safetensors").far
    assert copies.loc["p800", "emerging"]  # though nearest to it
    assert mine["time"].min() >= pd.Timestamp("2024-05-01")  # none before its scan, though they came now
    assert taken.panel.styles == ("s00", "s01", "s02")
    before = Panel.read(heard / "styles-2" / "panel.parquet", granularity="day")
    np.testing.assert_allclose(taken.panel.count_ST, 2 * before.count_ST)
    # Without the acceptance June proposes the group again; now it is a style.
    proposed = [pd.read_csv(heard / "styles" / "emerging.csv"), taken.proposals]
    told = [table.loc[(table["month"] == "2024-06") & table["keywords"].str.contains("街头")] for table in proposed]
    assert [len(table) for table in told] == [1, 0]
    assert taken.proposals["accepted"].tolist()[:2] == ["s02", ""]


def test_accepted_styles_have_leaderboards_of_new_posts_and_are_audited(heard: Path, tmp_path: Path) -> None:
    rank(replace(tiny_rank(), styles=heard / "styles-2", posts=heard / "prepare", out=tmp_path / "rank",
                 target="days:1-7", test_origins=2, validation_origins=3, members=("gaussian-process",),
                 classes="level"))  # fmt: skip
    ensemble(EnsembleConfig(rank=tmp_path / "rank", styles=heard / "styles-2", out=tmp_path / "ensemble",
                            figures=False))  # fmt: skip
    # The ten days after the run say what ten of its May said.
    table = pd.read_csv(heard / "posts.csv", dtype=str)
    later = table[table["time"].between("2024-05-10", "2024-05-19")]
    time = (pd.to_datetime(later["time"]) + pd.Timedelta(days=50)).dt.strftime("%Y-%m-%d")
    later.assign(post_id="n" + later["post_id"], time=time).to_csv(tmp_path / "later.csv", index=False)
    comments = copied(heard / "comments.csv", tmp_path / "comments.csv")
    told = main(LeaderboardConfig(run=tmp_path / "ensemble", posts=tmp_path / "later.csv", comments=comments,
                           out=tmp_path / "board"))  # fmt: skip
    board = pd.read_parquet(tmp_path / "board" / "leaderboard.parquet").set_index("style")
    assert set(board["origin"]) == {pd.Timestamp("2024-07-08")}
    known = pd.read_parquet(heard / "styles-2" / "assignments.parquet")
    then = known[known["time"].between("2024-05-13", "2024-05-19") & ~known["emerging"]]
    counted = then["style"].value_counts(normalize=True)
    pd.testing.assert_series_equal(board["share_now"].sort_index(), counted.sort_index(), check_names=False)
    assert counted["s02"] > 0.1
    names = set(re.findall(r"(low|middle|high|falls|holds|rises) \d+%", told))
    assert names
    assert names <= {"low", "middle", "high"}
    assert '"classes":"level"' in (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert "2 fitted parts" in audit(AuditConfig(run=tmp_path / "ensemble"))


def test_what_was_accepted_is_read_as_the_first_run_read(shapes: Path, recall_run: Path, captions: Path,
                                                         tmp_path: Path) -> None:  # fmt: skip
    config = StylesConfig(posts=shapes / "prepare", recall=recall_run, captions=captions, out=tmp_path / "styles",
                          source="both")  # fmt: skip
    for name, inputs in (("styles", {"posts": config.posts, "recall": recall_run, "captions": captions}),
                         ("styles-2", {"posts": config.posts, "styles": tmp_path / "styles"})):  # fmt: skip
        with open_run(tmp_path / name, "styles", config, inputs) as run:
            assert run is not None
    folders = folders_of(tmp_path / "rank", posts=shapes / "prepare", styles=tmp_path / "styles-2")
    assert folders["styles"] == tmp_path / "styles-2"
    assert (folders["recall"], folders["caption"]) == (recall_run, captions)
    assert folders["pretrain"] == shapes / "pretrain"


def test_what_would_be_guessed_is_refused(heard: Path, again: NewPosts, shapes: Path, tmp_path: Path) -> None:
    folders = {"prepare": heard / "prepare", "styles": heard / "styles"}
    with pytest.raises(UserError, match="read what comments feel: give those on the new posts by --comments"):
        take_in(folders, replace(again, comments=None), tmp_path / "work")
    table = pd.read_csv(heard / "posts.csv", dtype=str)
    table.assign(post_id="m" + table["post_id"]).drop(columns=["author_id"]).to_csv(tmp_path / "new.csv", index=False)
    config = StylesConfig(posts=heard / "prepare", out=tmp_path / "capped", source="text", text_dimensions=4,
                          author_cap=0.1, cluster=ClusterConfig(k=2, pca=4), figures=False)  # fmt: skip
    capped = {"prepare": heard / "prepare", "styles": styles(config)}
    comments = copied(heard / "comments.csv", tmp_path / "comments.csv")
    said = pd.read_csv(comments)
    said.assign(post_id=said["post_id"].str.replace("n", "m")).to_csv(comments, index=False)
    with pytest.raises(UserError, match="no column `author_id`, by which the run counts"):
        take_in(capped, NewPosts(posts=tmp_path / "new.csv", comments=comments), tmp_path / "work")
    deaf = prepare(PrepareConfig(posts=heard / "posts.csv", out=tmp_path / "deaf", workers=1))
    with pytest.raises(UserError, match=r"--comments .*: .*deaf read none"):
        take_in(folders | {"prepare": deaf}, again, tmp_path / "work")


def test_the_run_that_styles_were_accepted_into_must_be_there(heard: Path, again: NewPosts, tmp_path: Path) -> None:
    lone = tmp_path / "runs" / "styles-2"
    config = StylesConfig(posts=heard / "prepare", source="text")
    with open_run(tmp_path / "gone", "styles", config, {"posts": heard / "prepare"}) as run:
        assert run is not None
    with open_run(lone, "styles", config, {"posts": heard / "prepare", "styles": tmp_path / "gone"}) as run:
        assert run is not None
    (tmp_path / "gone").rename(tmp_path / "away")
    folders = folders_of(tmp_path / "rank", posts=heard / "prepare", styles=lone)
    with pytest.raises(UserError, match=r"gone: the styles that .*styles-2 was made from are not there"):
        take_in(folders, again, tmp_path / "work")
