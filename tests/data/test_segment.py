"""Clothes found by GrabCut and by a tiny SegFormer; masks, views and thresholds that follow."""

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

from data.garments import report_garments
from data.posts import Posts
from data.prepare import PrepareConfig, main
from data.segment import ClothesModel, choose_labels, grab_cut
from pretrain.pictures import AugmentConfig, PixelPictures
from stylecast.errors import UserError

NAMES = {0: "Background", 1: "Upper-clothes", 2: "Hair"}


def dressed(share: float, size: tuple[int, int] = (96, 72), seed: int = 0) -> np.ndarray:
    """A red square in the middle of a noisy green picture, RGB."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), (40, 160, 60), np.uint8) + rng.integers(0, 30, (*size, 3), np.uint8)
    side = round((share * size[0] * size[1]) ** 0.5)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    image[top : top + side, left : left + side] = (210, 20, 30)
    return image


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SegFormer with random weights; how it labels is arbitrary, but always the same."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("segformer")
    config = SegformerConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16,
        id2label=NAMES, label2id={name: number for number, name in NAMES.items()},
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dressed")
    rows = []
    for number, share in enumerate((0.3, 0.2, 0.02, 0.15)):
        cv2.imwrite(str(folder / f"{number}.png"), dressed(share, seed=number)[:, :, ::-1])
        rows.append((f"p{number}", f"{number}.png", "红色连衣裙"))
    pd.DataFrame(rows, columns=["post_id", "images", "title"]).to_csv(folder / "posts.csv", index=False)
    return folder / "posts.csv"


def test_grab_cut_finds_what_stands_in_the_middle_each_time_alike() -> None:
    image = dressed(0.25)
    truth = (image == (210, 20, 30)).all(axis=-1)
    mask = grab_cut(image)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    cv2.setRNGSeed(17)
    np.testing.assert_array_equal(grab_cut(image), mask)
    assert not grab_cut(np.zeros((2, 40, 3), np.uint8)).any()


def test_labels_by_name_by_id_or_by_their_words() -> None:
    assert choose_labels(NAMES, (), "m") == {1: "Upper-clothes"}
    assert choose_labels(NAMES, ("hair", "1"), "m") == {2: "Hair", 1: "Upper-clothes"}
    assert choose_labels({0: "dresses", 1: "countertop", 2: "shirt, blouse"}, (), "m").keys() == {0, 2}
    with pytest.raises(UserError, match="--segment-labels 7: m has no such label; it has 0 Background"):
        choose_labels(NAMES, ("7",), "m")
    with pytest.raises(UserError, match="no label is named as clothes are"):
        choose_labels({0: "LABEL_0"}, (), "m")


def test_a_model_labels_a_picture_alike_whatever_stands_beside_it(checkpoint: Path) -> None:
    model = ClothesModel.load(str(checkpoint), ("0", "1"), 96)
    images = [dressed(0.1 * n, (96, 60 + 3 * n), n) for n in range(1, 12)]
    together = model.masks(images)
    assert [mask.shape for mask in together] == [image.shape[:2] for image in images]
    for image, mask in zip(images, together, strict=True):
        np.testing.assert_array_equal(model.masks([image])[0], mask)
    rest = ClothesModel.load(str(checkpoint), ("2",), 96).masks(images)
    for mask, other in zip(together, rest, strict=True):
        assert (mask ^ other).all()  # the three labels share out every pixel


def test_grabcut_through_prepare(table: Path, tmp_path: Path) -> None:
    config = PrepareConfig(posts=table, out=tmp_path / "run", workers=1, segment="grabcut", segment_size=96)
    posts = Posts.load(main(config))
    assert posts.pictures["picture_id"].tolist() == ["p0/0", "p1/0", "p3/0"]
    assert posts.pictures["garment"].to_numpy() == pytest.approx([0.3, 0.2, 0.15], abs=0.02)
    assert len(posts.table) == 4  # its text keeps the post of the picture that is left out
    assert posts.masks is not None
    assert posts.masks.shape == posts.images.shape[:3]
    seen = posts.images[0][posts.masks[0] == 1]
    assert np.abs(seen.astype(int) - (210, 20, 30)).max(axis=1).mean() < 25
    told = pd.read_csv(tmp_path / "run" / "rejected.csv")
    assert told[["line", "post_id", "column", "value"]].to_numpy().tolist() == [[4, "p2", "images", "2.png"]]
    assert re.fullmatch(r"too little clothing \(\d\.\d%, under 5%\)", told["reason"][0])
    garment = pd.read_csv(tmp_path / "run" / "garment.csv")
    assert garment["kept"].tolist() == [True, True, False, True]
    assert (tmp_path / "run" / "garment_curve.png").stat().st_size > 10_000


def test_same_bytes_whatever_the_row_order(table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).iloc[::-1].to_csv(table.parent / "turned.csv", index=False)
    for name in ("posts", "turned"):
        main(PrepareConfig(posts=table.parent / f"{name}.csv", out=tmp_path / name, workers=1, segment="grabcut",
                           segment_size=96))  # fmt: skip
    files = ("images.npy", "masks.npy", "garment.csv", "garment_curve.csv", "garment_curve.svg", "garment_curve.png")
    for file in files:
        assert (tmp_path / "posts" / file).read_bytes() == (tmp_path / "turned" / file).read_bytes(), file


def test_a_checkpoint_through_prepare(checkpoint: Path, table: Path, tmp_path: Path) -> None:
    settings = {"posts": table, "workers": 1, "segment": str(checkpoint), "min_garment": 0.0, "segment_size": 96}
    posts = Posts.load(main(PrepareConfig(out=tmp_path / "all", segment_labels=("0", "hair", "1"), **settings)))
    assert (posts.pictures["garment"] == 1.0).all()
    assert posts.masks is not None
    # 96×72 in a square of 64: clothes are never on the white beside a picture.
    assert posts.masks[:, :, 8:56].all()
    assert not posts.masks[:, :, :8].any()
    with pytest.raises(UserError, match="transformers cannot load it for segmentation"):
        main(PrepareConfig(out=tmp_path / "no", **settings | {"segment": str(tmp_path)}))
    with pytest.raises(UserError, match="--segment-labels names labels of a checkpoint"):
        main(PrepareConfig(posts=table, out=tmp_path / "no", segment_labels=("1",)))
    with pytest.raises(UserError, match=r"--min-garment 5\.0: must be between 0 and 1"):
        main(PrepareConfig(posts=table, out=tmp_path / "no", min_garment=5.0))


def test_the_curve_counts_what_each_threshold_removes(tmp_path: Path) -> None:
    rows = pd.DataFrame({"picture_id": list("abcd"), "post_id": list("abcd"), "path": "", "garment": [0, 0.05, 0.3, 1]})
    report_garments(rows, 0.05, tmp_path)
    curve = pd.read_csv(tmp_path / "garment_curve.csv").set_index("threshold")["removed"]
    assert (curve[0.0], curve[0.05], curve[0.06], curve[0.31], curve[1.0]) == (0, 1, 2, 3, 3)
    assert pd.read_csv(tmp_path / "garment.csv")["kept"].tolist() == [False, True, True, True]


def test_views_of_pictures() -> None:
    images = np.full((3, 8, 8, 3), 200, np.uint8)
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[:, 2:6, 2:6] = 1
    posts = Posts(pd.DataFrame(), pd.DataFrame(), images, masks)
    rows = np.array([2, 0])
    garment = PixelPictures.of(posts, "garment")
    np.testing.assert_array_equal(garment.batch(rows).numpy(), images[rows] * masks[rows][..., None])
    np.testing.assert_array_equal(PixelPictures.of(posts, "picture").batch(rows).numpy(), images[rows])
    still = AugmentConfig(shift=0, zoom=0, flip=0, light=0, tint=0)
    changed = PixelPictures.of(posts, "garment", still).batch(rows, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(changed.numpy(), garment.batch(rows).numpy())
    with pytest.raises(UserError, match="have no masks; run `stylecast prepare` with --segment"):
        PixelPictures.of(Posts(posts.table, posts.pictures, images), "garment")
