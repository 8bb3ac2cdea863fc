"""Encoders that are saved by hand, or fetched from a run: the same to the last bit, or a clear error."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data.pictures import letterbox
from data.posts import Posts
from pretrain.encoder import EncoderConfig, PixelEncoder, build_encoder
from pretrain.pictures import PixelPictures, embed
from pretrain.regions import RegionConfig, RegionEncoder
from pretrain.train import load_pretrained
from stylecast.errors import UserError
from tests.pretrain.checkpoints import checkpoint
from tests.pretrain.test_regions import make_boxes

SMALL = EncoderConfig(channels=(8, 16), heads=3, dim=12)


def pictures(count: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.mark.parametrize("backbone", ["small", "vit"])
def test_an_encoder_comes_back_to_the_last_bit(backbone: str, tmp_path: Path) -> None:
    name = backbone if backbone == "small" else str(checkpoint(backbone, tmp_path / "checkpoint")[0])
    encoder = build_encoder(EncoderConfig(backbone=name, channels=(8, 16), heads=3, dim=12), side=24)
    encoder.save_pretrained(tmp_path / "kept")
    if backbone != "small":
        (tmp_path / "checkpoint").rename(tmp_path / "gone")
    again = PixelEncoder.from_pretrained(str(tmp_path / "kept"))
    assert not again.training
    assert again.config == encoder.config
    np.testing.assert_array_equal(again.encode(pictures(3)), encoder.encode(pictures(3)))
    assert {p.name for p in tmp_path.iterdir()} <= {"kept", "gone"}  # nothing half-written beside it


def test_an_encoder_of_boxes_comes_back(tmp_path: Path) -> None:
    encoder = RegionEncoder(RegionConfig(channels=8, layers=1, attention_heads=2, heads=3, dim=6)).eval()
    encoder.save_pretrained(tmp_path / "kept")
    again, boxes = RegionEncoder.from_pretrained(tmp_path / "kept"), make_boxes(3, 4)
    torch.testing.assert_close(again(boxes), encoder(boxes), rtol=0, atol=0)
    with pytest.raises(UserError, match=r"kept: a run of `saved-regions`; name a folder that `save_pretrained` wrote"):
        PixelEncoder.from_pretrained(tmp_path / "kept")


def test_a_run_is_an_encoder_too(pretrain_run: Path, posts_run: Path) -> None:
    encoder, posts = PixelEncoder.from_pretrained(pretrain_run), Posts.load(posts_run)
    assert encoder.config.image_size == posts.images.shape[1]
    rows, before = np.arange(5), load_pretrained(pretrain_run).encoder
    heads = encoder.encode(posts.images[rows])
    assert heads.shape == (5, 3, 32)
    np.testing.assert_array_equal(heads, embed(before, PixelPictures(posts.images), rows, torch.device("cpu")))


def test_pictures_of_any_size_become_squares(tmp_path: Path) -> None:
    encoder, wide = build_encoder(SMALL, side=24).eval(), pictures(2, 60)[:, :40]
    squares = np.stack([letterbox(one, 24) for one in wide])
    np.testing.assert_array_equal(encoder.encode(wide), encoder.encode(squares))
    assert encoder.encode(pictures(0)).shape == (0, 3, 12)
    for wrong in (pictures(2) / 255, pictures(2)[0], pictures(2)[..., :1]):
        with pytest.raises(UserError, match="pictures must be uint8 RGB"):
            encoder.encode(wrong)


def test_a_folder_that_is_something_else_or_damaged(tmp_path: Path, pretrain_run: Path) -> None:
    for folder, told in (
        (tmp_path / "none", "no such folder"),
        (tmp_path, "no whole run"),
        (pretrain_run.parent, rf"no whole run.*`stylecast recall`, such as {pretrain_run}$"),
    ):
        with pytest.raises(UserError, match=told):
            PixelEncoder.from_pretrained(folder)
    encoder = build_encoder(SMALL)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("ten years of work")
    with pytest.raises(UserError, match="is not a run folder"):
        encoder.save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()

    encoder.save_pretrained(tmp_path / "kept")
    encoder.save_pretrained(tmp_path / "kept")  # anew
    weights = tmp_path / "kept" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(UserError, match=r"damaged.*save it again"):
        PixelEncoder.from_pretrained(tmp_path / "kept")


def test_what_is_told_of_an_encoder_is_read_strictly(tmp_path: Path) -> None:
    encoder = build_encoder(SMALL)
    encoder.save(tmp_path)
    told = json.loads((tmp_path / "encoder.json").read_text(encoding="utf-8"))
    told["config"]["haeds"] = 4
    kept = build_encoder(SMALL)
    kept.save = lambda folder: (folder / "encoder.json").write_text(json.dumps(told))  # type: ignore[method-assign]
    kept.save_pretrained(tmp_path / "kept")
    with pytest.raises(UserError, match="haeds"):
        PixelEncoder.from_pretrained(tmp_path / "kept")
