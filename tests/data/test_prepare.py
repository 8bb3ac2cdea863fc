"""From a table to posts: what is kept, what is rejected and why, whatever the row order or format."""

import gzip
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from data.pictures import decode, letterbox, perceptual_hash
from data.posts import Posts
from data.prepare import PrepareConfig, main
from data.splits import split_posts
from data.tables import read_table
from stylecast.errors import UserError


def draw(path: Path, seed: int, size: tuple[int, int] = (40, 60)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), (9, 9), 0)
    cv2.imwrite(str(path), image)


ROWS = [
    # line 2
    {"post_id": "a", "time": "2024-01-02", "title": "红色连衣裙", "images": "p/0.png;p/1.png", "likes": "1.2w"},
    {"post_id": "b", "time": "2024-01-01", "title": "蓝色牛仔裤 搭配", "images": "p/2.png", "likes": "5"},
    {"post_id": "a", "time": "2024-01-03", "title": "again", "images": "", "likes": "5"},
    {"post_id": "c", "time": "01-03", "title": "no year", "images": "", "likes": "5"},
    {"post_id": "d", "time": "2999-01-03", "title": "future", "images": "", "likes": "5"},
    {"post_id": "e", "time": "2024-01-03", "title": "negative", "images": "", "likes": "-5"},
    {"post_id": "f", "time": "2024-01-03", "title": "外面的图片", "images": "../outside.png", "likes": ""},
    {"post_id": "g", "time": "2024-01-03", "title": "坏图片", "images": "p/broken.jpg;p/none.png", "likes": "1"},
    {"post_id": "h", "time": "2024-01-03", "title": "", "images": "p/empty.png", "likes": "1"},
    {"post_id": "", "time": "2024-01-03", "title": "no id", "images": "", "likes": "1"},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    for number in range(3):
        draw(folder / "p" / f"{number}.png", number)
    draw(folder.parent / "outside.png", 9)
    draw(folder / "p" / "whole.jpg", 5)
    whole = (folder / "p" / "whole.jpg").read_bytes()
    (folder / "p" / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(folder / "p" / "empty.png"), np.full((30, 30, 3), 200, np.uint8))
    pd.DataFrame(ROWS).to_csv(folder / "posts.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    return main(PrepareConfig(posts=root / "posts.csv", out=root / "run", workers=1))


def test_good_posts_are_kept_in_order_of_time(run: Path) -> None:
    posts = Posts.load(run)
    assert posts.table["post_id"].tolist() == ["b", "a", "f", "g"]
    assert posts.table.set_index("post_id").loc["a", "likes"] == 12_000
    assert posts.table.set_index("post_id").loc["a", "words"] == "红色 连衣裙"
    assert posts.pictures["picture_id"].tolist() == ["b/0", "a/0", "a/1"]
    assert posts.images.shape == (3, 64, 64, 3)
    assert posts.dated


def test_every_rejection_names_line_and_reason(run: Path) -> None:
    told = pd.read_csv(run / "rejected.csv", keep_default_na=False)
    reasons = {(row.line, row.column): row.reason for row in told.itertuples() if row.line != 9}
    assert reasons == {
        (4, "post_id"): "duplicate id, first on line 2",
        (5, "time"): "date without a year",
        (6, "time"): "date in the future",
        (7, "likes"): "negative count",
        (8, "images"): "path outside the image root",
        (10, "images"): "nearly one colour (contrast 0.0 < 2.0)",
        (10, ""): "neither text nor a picture that can be used",
        (11, "post_id"): "no post id",
    }
    broken, missing = told[told["line"] == 9].sort_values("value")["reason"]
    assert broken.startswith("unreadable picture")
    assert missing == "no such file"


def test_row_order_changes_nothing(root: Path, run: Path) -> None:
    shuffled = [r for r in reversed(ROWS) if r["title"] != "again"]
    pd.DataFrame(shuffled).to_csv(root / "shuffled.csv", index=False)
    other = Posts.load(main(PrepareConfig(posts=root / "shuffled.csv", out=root / "run2", workers=1)))
    posts = Posts.load(run)
    pd.testing.assert_frame_equal(posts.table.drop(columns="line"), other.table.drop(columns="line"))
    np.testing.assert_array_equal(posts.images, other.images)


def test_formats_say_the_same(root: Path, tmp_path: Path) -> None:
    frame, _ = read_table(root / "posts.csv")
    frame = frame.drop(columns="line")
    with gzip.open(tmp_path / "posts.csv.gz", "wt", encoding="utf-8-sig") as file:
        frame.to_csv(file, index=False)
    frame.to_csv(tmp_path / "posts.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "posts.parquet")
    lines = [json.dumps({**row, "images": row["images"].split(";")}) for row in frame.to_dict("records")]
    (tmp_path / "posts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name in ("posts.csv.gz", "posts.tsv", "posts.parquet", "posts.jsonl"):
        other, bad = read_table(tmp_path / name)
        assert bad.empty
        pd.testing.assert_frame_equal(other[frame.columns], frame, check_dtype=False)


def test_whole_numbers_of_parquet_stay_whole_beside_gaps(tmp_path: Path) -> None:
    frame = pd.DataFrame({"post_id": [7.0, None, 12.0], "likes": [1.0, 2.0, 3.0], "score": [0.5, 1.0, None],
                          "far": [1e20, np.inf, 1.0]})  # fmt: skip
    frame.to_parquet(tmp_path / "posts.parquet")
    table, _ = read_table(tmp_path / "posts.parquet")
    assert table["post_id"].tolist() == ["7", "", "12"]
    assert table["likes"].tolist() == ["1", "2", "3"]
    assert table["score"].tolist() == ["0.5", "1.0", ""]
    assert table["far"].tolist() == ["1e+20", "inf", "1.0"]


def test_broken_rows_of_a_file_are_rejected_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('post_id,title\n1,"two\nlines"\n2,x,too many\n3,good\n', encoding="utf-8")
    frame, bad = read_table(tmp_path / "a.csv")
    assert frame["line"].tolist() == [2, 5]
    assert bad.to_numpy().tolist() == [[4, "3 fields where the header has 2"]]
    (tmp_path / "a.jsonl").write_text('{"post_id": 1}\nnonsense\n[1]\n', encoding="utf-8")
    frame, bad = read_table(tmp_path / "a.jsonl")
    assert frame["post_id"].tolist() == ["1"]
    assert bad["line"].tolist() == [2, 3]


def test_unusable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "gb.csv").write_bytes("post_id,title\n1,连衣裙\n".encode("gb18030"))
    with pytest.raises(UserError, match=r"gb\.csv: not utf-8.*--encoding gb18030"):
        read_table(tmp_path / "gb.csv")
    assert read_table(tmp_path / "gb.csv", "gb18030")[0]["title"].tolist() == ["连衣裙"]
    (tmp_path / "x.xlsx").write_bytes(b"")
    for name, told in (("x.xlsx", "must end in one of"), ("none.csv", "no such file")):
        with pytest.raises(UserError, match=told):
            read_table(tmp_path / name)
    (tmp_path / "c.csv").write_text("likes\n3\n")
    with pytest.raises(UserError, match="no column of title"):
        main(PrepareConfig(posts=tmp_path / "c.csv", out=tmp_path / "out"))
    (tmp_path / "d.csv").write_text("post_id,time,title\n1,05-17,x\n")
    with pytest.raises(UserError, match="line 2: date without a year"):
        main(PrepareConfig(posts=tmp_path / "d.csv", out=tmp_path / "out"))
    with pytest.raises(UserError, match="--now May: no date; write YYYY-MM-DD"):
        main(PrepareConfig(posts=tmp_path / "d.csv", now="May", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_ids_are_made_from_content_and_samples_from_ids(tmp_path: Path) -> None:
    frame = pd.DataFrame({"title": [f"title {i // 2}" for i in range(100)], "time": "2024-01-01"})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.iloc[::-1].to_csv(tmp_path / "b.csv", index=False)
    chosen = [
        Posts.load(main(PrepareConfig(posts=tmp_path / name, out=tmp_path / name[0], sample=30))).table["post_id"]
        for name in ("a.csv", "b.csv")
    ]
    assert len(chosen[0]) == 30
    assert chosen[0].is_unique
    assert chosen[0].tolist() == chosen[1].tolist()


def test_columns_can_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("编号,标题,赞,粉丝\n1,连衣裙,3千,5\n", encoding="utf-8")
    config = PrepareConfig(
        posts=tmp_path / "a.csv",
        out=tmp_path / "r",
        rename=("post_id=编号", "title=标题", "likes=赞"),
        numeric=("粉丝",),
    )
    table = Posts.load(main(config)).table
    assert table[["post_id", "likes", "粉丝"]].to_numpy().tolist() == [["1", 3000.0, 5.0]]
    with pytest.raises(UserError, match="--rename title=题"):
        main(PrepareConfig(posts=tmp_path / "a.csv", out=tmp_path / "r2", rename=("title=题",)))


def test_pictures_are_turned_upright_and_put_on_white(tmp_path: Path) -> None:
    from PIL import Image

    wide = Image.fromarray(np.zeros((20, 40, 3), np.uint8))
    wide.putpixel((1, 1), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    wide.save(tmp_path / "turned.jpg", exif=exif)
    image = decode(tmp_path, "turned.jpg", 32, 0.0).image
    assert image is not None
    assert (image[:, :6] > 200).all()
    assert (image[5:25, 12:20] < 60).all()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    clear = decode(tmp_path, "clear.png", 32, 0.0).image
    assert clear is not None
    assert (clear == 255).all()


def test_near_duplicates_share_a_hash() -> None:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (96, 96), interpolation=cv2.INTER_CUBIC)
    darker = (image * 0.8).astype(np.uint8)
    other = np.ascontiguousarray(image[:, ::-1])
    assert perceptual_hash(image) == perceptual_hash(darker)
    assert perceptual_hash(image) != perceptual_hash(other)
    assert letterbox(image[:40], 64).shape == (64, 64, 3)


def many_posts(count: int, later: int = 0) -> Posts:
    days = pd.date_range("2024-01-01", periods=count + later, freq="h")
    table = pd.DataFrame({"post_id": [f"p{i:05d}" for i in range(count + later)], "time": days})
    table = table.assign(sentence="", hashtags="", words=[f"w{i} x y z" for i in range(count + later)])
    table["sentence"] = table["words"]
    # Pictures in pairs: posts 2k and 2k+1 show the same.
    pictures = pd.DataFrame({"picture_id": table["post_id"] + "/0", "post_id": table["post_id"], "path": ""})
    pictures["family"] = np.arange(len(table)) // 2
    return Posts(table, pictures, np.zeros((len(table), 1, 1, 3), np.uint8))


def test_families_never_straddle_the_split() -> None:
    posts = many_posts(600)
    split = split_posts(posts, None)
    pairs = split.to_numpy().reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert 20 < (split == "valid").sum() < 110


def test_the_future_moves_no_post_to_the_other_side() -> None:
    cut = many_posts(400).table["time"].iloc[-1] + pd.Timedelta(hours=1)
    with_future = many_posts(400, later=100)
    with_future.pictures.loc[400:, "family"] = np.arange(100)  # later posts link families that were apart
    before = split_posts(many_posts(400), cut)
    after = split_posts(with_future, cut)
    assert (after.iloc[400:] == "later").all()
    pd.testing.assert_series_equal(before, after.iloc[:400])


def test_a_given_split_is_obeyed() -> None:
    posts = many_posts(6)
    table = posts.table.assign(split=["train", "valid", "test", "validation", "", "Train"])
    split = split_posts(Posts(table, posts.pictures, posts.images), None)
    assert split.tolist()[:4] == ["train", "valid", "later", "valid"]
    assert split.iloc[5] == "train"
    cut = table["time"].iloc[1]  # a column cannot bring back what comes after the cut-off
    split = split_posts(Posts(table, posts.pictures, posts.images), cut)
    assert split.tolist() == ["train", "later", "later", "later", "later", "later"]
