"""Sets of boxes: geometry by hand, padding that changes nothing, batches that hold what the file says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.kddcup import Products
from data.kddcup_convert import convert
from data.kddcup_files import FEATURES, Row, format_row
from pretrain.pictures import embed
from pretrain.regions import PADDED, WIDTH, RegionConfig, RegionEncoder, RegionPictures, box_geometry, rebuild_regions
from stylecast.errors import UserError

SMALL = RegionConfig(channels=16, layers=2, attention_heads=2, heads=3, dim=8)


def make_boxes(pictures: int, boxes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    records = torch.rand(pictures, boxes, WIDTH, generator=generator)
    records[..., -1] = torch.randint(1, 34, (pictures, boxes), generator=generator)
    return records.half()


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    """Twelve products of 1, 2, … 12 boxes."""
    folder = tmp_path_factory.mktemp("regions")
    lines = []
    for n in range(1, 13):
        rng = np.random.default_rng(n)
        boxes = rng.integers(0, 100, (n, 4)).astype(np.float32)
        row = Row(str(n), 100, 200, boxes, rng.random((n, FEATURES), np.float32), rng.integers(0, 33, n), "red", str(n))
        lines.append(format_row(row))
    (folder / "a.tsv").write_bytes(b"\n".join(lines))
    return Products.load(convert(folder / "a.tsv", folder / "out"))


def test_geometry_by_hand() -> None:
    boxes = np.array([[0, 3, 338, 207], [10, 0, 20, 400]], np.float32)
    told = [[0, 3 / 400, 338 / 500, 207 / 400, 338 / 500 * 204 / 400], [0.02, 0, 0.04, 1, 0.02]]
    np.testing.assert_allclose(box_geometry(boxes, 500, 400), told, rtol=1e-6)


def test_heads_and_gradients() -> None:
    encoder = RegionEncoder(SMALL)
    heads = encoder(make_boxes(3, 4))
    assert heads.shape == (3, 3, 8)
    heads.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())  # or DDP would wait for it


@settings(max_examples=20, deadline=None)
@given(boxes=st.integers(1, 20), more=st.integers(0, 30), seed=st.integers(0, 100))
def test_padding_and_the_pictures_beside_it_change_nothing(boxes: int, more: int, seed: int) -> None:
    torch.manual_seed(seed)
    encoder = RegionEncoder(SMALL).train()
    picture = make_boxes(1, boxes, seed)
    padded = torch.cat([picture, torch.zeros(1, more, WIDTH).half()], dim=1)
    beside = torch.cat([padded, make_boxes(2, boxes + more, seed + 1)])
    alone = encoder(picture)
    torch.testing.assert_close(encoder(padded), alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(encoder(beside)[:1], alone, atol=1e-5, rtol=1e-5)
    # Whatever stands where no box is, is not looked at.
    padded[:, boxes:, :-1] = 7
    torch.testing.assert_close(encoder(padded), alone, atol=1e-5, rtol=1e-5)


def test_the_order_of_boxes_means_nothing() -> None:
    encoder, picture = RegionEncoder(SMALL), make_boxes(1, 6)
    torch.testing.assert_close(encoder(picture.flip(1)), encoder(picture), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(encoder(picture[:, :5]), encoder(picture), atol=1e-4)


def test_a_hundred_boxes() -> None:
    assert torch.isfinite(RegionEncoder(SMALL)(make_boxes(2, 100))).all()


def test_a_batch_holds_what_the_file_says(products: Products) -> None:
    pictures = RegionPictures(products, np.array([2, 0, 11, 2]))
    assert len(pictures) == 4
    batch = pictures.batch(np.array([0, 1, 3]))
    assert batch.shape == (3, 4, WIDTH)
    torch.testing.assert_close(batch[0], batch[2])
    assert (batch[..., -1] > 0).sum(dim=1).tolist() == [3, 1, 3]
    np.testing.assert_array_equal(batch[0, :3, :FEATURES], products.features_MF[3:6])
    np.testing.assert_array_equal(batch[0, :3, -1], products.labels_M[3:6].astype(np.float16) + 1)
    geometry = box_geometry(products.boxes_M4[3:6], 100, 200).astype(np.float16)
    np.testing.assert_array_equal(batch[0, :3, FEATURES:-1], geometry)
    assert not batch[0, 3:].any()
    few = RegionPictures(products, np.array([11]), most_boxes=5).batch(np.array([0]))
    assert (few[..., -1] > 0).sum() == 5


def test_hidden_boxes_leave_one_and_follow_the_generator(products: Products) -> None:
    pictures = RegionPictures(products, np.arange(12), hidden=0.9)
    one, two, three = (pictures.batch(np.arange(12), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    torch.testing.assert_close(one, two)
    assert not torch.equal(one, three)
    left = (one[..., -1] > 0).sum(dim=1)
    assert (left >= 1).all()
    assert left.sum() < 40
    assert (left <= torch.arange(1, 13)).all()


def test_embedding_does_not_depend_on_batch_size_or_order(products: Products) -> None:
    encoder, pictures, device = RegionEncoder(SMALL), RegionPictures(products, np.arange(12)), torch.device("cpu")
    whole = embed(encoder, pictures, np.arange(12), device)
    order = np.random.default_rng(1).permutation(12)
    np.testing.assert_allclose(whole[order], embed(encoder, pictures, order, device, batch=3), atol=1e-5)
    np.testing.assert_allclose(whole[7], encoder(pictures.batch(np.array([7])))[0].detach(), atol=1e-5)
    # Batches of one size give the same to the last bit, whatever is embedded with a picture.
    assert (embed(encoder, pictures, order, device) == whole[order]).all()
    groups = list(pictures.groups(order))
    assert sorted(np.concatenate(groups).tolist()) == list(range(12))
    assert len(groups) <= len(PADDED)


def test_rebuilt_from_its_folder(tmp_path: Path) -> None:
    RegionEncoder(SMALL).save(tmp_path)
    assert rebuild_regions(tmp_path).config == SMALL
    with pytest.raises(UserError, match="is no run of `stylecast kddcup`"):
        rebuild_regions(tmp_path / "none")


@pytest.mark.parametrize("config", [
    RegionConfig(heads=1), RegionConfig(channels=10, attention_heads=4), RegionConfig(most_boxes=101),
    RegionConfig(hidden=1.0),
])  # fmt: skip
def test_wrong_settings_are_the_users_error(config: RegionConfig) -> None:
    with pytest.raises(UserError, match="--encoder"):
        RegionEncoder(config)
