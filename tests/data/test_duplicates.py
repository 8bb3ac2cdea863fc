"""Copies: found whatever was done to them, traced to the first, and never by what comes later."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import duplicates
from data.duplicates import find_firsts, is_further, likeness
from data.posts import Posts
from data.prepare import PrepareConfig, main
from recall.counts import CountSettings, count_styles
from stylecast.errors import UserError


def picture(seed: int, size: int = 160) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def slow_firsts(hash_N: np.ndarray, thumb_ND: np.ndarray, bits: int, alike: float) -> list[int]:
    """One picture after the other, each against all that are no copies."""
    firsts: list[int] = []
    for row in range(len(hash_N)):
        found = row
        for earlier in [e for e in range(row) if firsts[e] == e]:
            apart = (int(hash_N[row]) ^ int(hash_N[earlier])) & (2**64 - 1)
            one, two = thumb_ND[row].astype(float), thumb_ND[earlier].astype(float)
            same = (one == two).all() or np.corrcoef(one, two)[0, 1] >= alike
            if apart.bit_count() <= bits and same:
                found = earlier
                break
        firsts.append(found)
    return firsts


def crowd(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of which many are near each other, in hash, in colours, or in both."""
    rng = np.random.default_rng(seed)
    hashes, thumbs = rng.integers(-(2**63), 2**63, 6), rng.integers(0, 256, (4, 192))
    flips = np.array([sum(1 << int(b) for b in rng.integers(0, 62, rng.integers(0, 7))) for _ in range(count)])
    noise = rng.normal(0, rng.choice([0, 5, 25], count)[:, None], (count, 192))
    thumb_ND = np.clip(thumbs[rng.integers(0, 4, count)] + noise, 0, 255).astype(np.uint8)
    return hashes[rng.integers(0, 6, count)] ^ flips, thumb_ND


@given(seed=st.integers(0, 10_000), count=st.integers(1, 60), chunk=st.sampled_from([1, 7, 2048]))
@settings(max_examples=40, deadline=None)
def test_firsts_are_those_of_the_slow_way(seed: int, count: int, chunk: int) -> None:
    hash_N, thumb_ND = crowd(seed, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "CHUNK", chunk)
        firsts = find_firsts(hash_N, thumb_ND, 8, 0.95)
    assert firsts.tolist() == slow_firsts(hash_N, thumb_ND, 8, 0.95)


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 59))
@settings(max_examples=20, deadline=None)
def test_later_pictures_change_no_earlier_one(seed: int, cut: int) -> None:
    hash_N, thumb_ND = crowd(seed, 60)
    whole = find_firsts(hash_N, thumb_ND, 8, 0.95)
    np.testing.assert_array_equal(whole[:cut], find_firsts(hash_N[:cut], thumb_ND[:cut], 8, 0.95))


def test_likeness_knows_colours_but_not_light() -> None:
    thumb = np.random.default_rng(0).integers(20, 120, 192).astype(np.uint8)
    swapped = thumb.reshape(-1, 3)[:, ::-1].ravel()
    flat = np.full(192, 7, np.uint8)
    table = np.stack([thumb, 2 * thumb, swapped, flat, flat])
    like = likeness(table, np.array([0, 0, 3, 0]), np.array([1, 2, 4, 3]))
    np.testing.assert_allclose(like[[0, 2, 3]], [1, 1, 0], atol=1e-3)
    assert like[1] < 0.9


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven posts: one is reposted by two others, one shows the same twice, one the same in other colours."""
    folder = tmp_path_factory.mktemp("copies")
    first, other = picture(1), picture(2)
    cv2.imwrite(str(folder / "first.png"), first)
    cv2.imwrite(str(folder / "small.png"), cv2.resize(first, (70, 70), interpolation=cv2.INTER_AREA))
    cv2.imwrite(str(folder / "jpeg.jpg"), np.clip(first * 1.1, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])
    cv2.imwrite(str(folder / "cut.png"), first[2:])
    cv2.imwrite(str(folder / "red.png"), np.ascontiguousarray(first[:, :, ::-1]))
    cv2.imwrite(str(folder / "other.png"), other)
    rows = [
        ("e", "2024-01-05", "other.png"),
        ("d", "2024-01-04", "red.png"),
        ("c", "2024-01-03", "jpeg.jpg;other.png"),
        ("a", "2024-01-01", "other.png;other.png"),
        ("f", "2024-01-02", "small.png"),
        ("b", "2024-01-02", "first.png"),
        ("g", "2024-01-09", "cut.png"),
    ]
    pd.DataFrame(rows, columns=["post_id", "time", "images"]).to_csv(folder / "posts.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def posts(world: Path) -> Posts:
    return Posts.load(main(PrepareConfig(posts=world / "posts.csv", out=world / "run", workers=1)))


def test_copies_are_traced_to_the_first_by_time_then_id(world: Path, posts: Posts) -> None:
    found = posts.pictures.set_index("picture_id")["duplicate_of"].to_dict()
    assert found == {
        "a/0": "", "a/1": "a/0", "b/0": "", "f/0": "b/0", "c/0": "b/0", "c/1": "a/0", "d/0": "", "e/0": "a/0",
        "g/0": "b/0",
    }  # fmt: skip
    ids = posts.pictures["picture_id"].to_numpy()
    family = posts.pictures["family"].to_numpy()
    assert [ids[row] for row in family] == [found[i] or i for i in ids]
    told = pd.read_csv(world / "run" / "duplicates.csv", keep_default_na=False)
    assert told["first"].tolist() == ["a/0"] * 4 + ["b/0"] * 4
    assert told["picture_id"].tolist() == ["a/0", "a/1", "c/1", "e/0", "b/0", "f/0", "c/0", "g/0"]
    assert told["repost"].tolist() == [False, False, True, True, False, True, True, True]
    metrics = pd.read_json(world / "run" / "manifest.json", typ="series")["metrics"]
    assert (metrics["duplicates"], metrics["reposts"]) == (6, 5)
    assert metrics["largest_families"] == ["4 × a/0", "4 × b/0"]


def test_row_order_changes_no_copy(world: Path, posts: Posts) -> None:
    pd.read_csv(world / "posts.csv").iloc[::-1].to_csv(world / "turned.csv", index=False)
    other = Posts.load(main(PrepareConfig(posts=world / "turned.csv", out=world / "run2", workers=1)))
    pd.testing.assert_frame_equal(posts.pictures, other.pictures)


def test_a_likeness_above_one_makes_no_copy(world: Path) -> None:
    config = PrepareConfig(posts=world / "posts.csv", out=world / "run3", workers=1, duplicate_likeness=1.1)
    assert (Posts.load(main(config)).pictures["duplicate_of"] == "").all()


def assigned(posts: Posts, styles: list[str]) -> pd.DataFrame:
    times = posts.table.set_index("post_id")["time"]
    rows = posts.pictures[["post_id", "duplicate_of"]].assign(id=posts.pictures["picture_id"], style=styles)
    return rows.assign(time=rows["post_id"].map(times), emerging=False)


def test_a_repost_counted_once_has_no_further_vote(posts: Posts) -> None:
    #              a/0  a/1  b/0  f/0  c/0  c/1  d/0  e/0  g/0
    styles = list("xxyyyxzxy")
    assignments = assigned(posts, styles)
    many = count_styles(assignments, posts.table).to_frame().groupby("style")["count"].sum()
    once = count_styles(assignments, posts.table, CountSettings(duplicates="once")).to_frame()
    # c splits its vote: y and x have half each, and both are copies.
    assert many.to_dict() == {"x": 2.5, "y": 3.5, "z": 1.0}
    assert once.groupby("style")["count"].sum().to_dict() == {"x": 1.0, "y": 1.0, "z": 1.0}
    pictures = count_styles(assignments, posts.table, CountSettings(duplicates="once", vote="picture")).to_frame()
    assert pictures.groupby("style")["count"].sum().to_dict() == {"x": 1.0, "y": 1.0, "z": 1.0}
    with pytest.raises(UserError, match="--duplicates once: only pictures tell"):
        count_styles(assignments.drop(columns="duplicate_of"), posts.table, CountSettings(duplicates="once"))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_once_never_counts_more_than_many(rows: list[tuple[int, int, int]]) -> None:
    table = pd.DataFrame([(f"p{p}", f"s{s}", of) for p, s, of in rows], columns=["post_id", "style", "of"])
    table["id"] = [f"i{n}" for n in range(len(table))]
    table["duplicate_of"] = [f"i{of}" if of < n else "" for n, of in enumerate(table["of"])]
    table = table.assign(time=pd.Timestamp("2024-01-01"), emerging=False)
    known = pd.DataFrame({"post_id": table["post_id"].unique()})
    for vote in ("post", "picture"):
        many, once = (
            count_styles(table, known, CountSettings(vote=vote, duplicates=d)).to_frame().set_index("style")["count"]
            for d in ("many", "once")
        )
        assert (once <= many.reindex(once.index) + 1e-9).all()
        shuffled = table.sample(frac=1, random_state=0)
        again = count_styles(shuffled, known, CountSettings(vote=vote, duplicates="once")).to_frame()
        pd.testing.assert_series_equal(again.set_index("style")["count"], once)


def test_within_a_post_a_copy_still_stands_for_the_post() -> None:
    rows = pd.DataFrame({"picture_id": ["a/0", "a/1", "b/0"], "post_id": ["a", "a", "b"],
                         "duplicate_of": ["", "a/0", "a/0"]})  # fmt: skip
    assert is_further(rows, by_post=True).tolist() == [False, False, True]
    assert is_further(rows, by_post=False).tolist() == [False, True, True]
