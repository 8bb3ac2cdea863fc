from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from pretrain.encoder import AttentionPooling, EncoderConfig, build_encoder, rebuild_encoder
from pretrain.pictures import AugmentConfig, PixelPictures, augment, embed
from stylecast.errors import UserError

SMALL = EncoderConfig(channels=(8, 16), heads=3, dim=12)
TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8}


def pictures(count: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def test_small_encoder_shapes_and_gradients() -> None:
    encoder = build_encoder(SMALL)
    heads = encoder(torch.from_numpy(pictures(2)))
    assert heads.shape == (2, 3, 12)
    heads.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())  # or DDP would wait for it


def test_a_picture_knows_nothing_of_its_batch() -> None:
    encoder = build_encoder(SMALL).train()
    images = torch.from_numpy(pictures(6))
    together = encoder(images)
    alone = torch.cat([encoder(images[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_embedding_does_not_depend_on_batch_size_or_order() -> None:
    encoder, images, device = build_encoder(SMALL), PixelPictures(pictures(11)), torch.device("cpu")
    whole = embed(encoder, images, np.arange(11), device)
    np.testing.assert_allclose(whole, embed(encoder, images, np.arange(11), device, batch=4), atol=1e-5)
    order = np.random.default_rng(1).permutation(11)
    np.testing.assert_allclose(whole[order], embed(encoder, images, order, device, batch=4), atol=1e-5)
    assert embed(encoder, images, np.arange(0), device).shape[0] == 0


def test_pooling_ignores_masked_regions() -> None:
    pooling = AttentionPooling(8, 3, 4)
    regions = torch.randn(2, 5, 8)
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    changed = regions.clone()
    changed[0, 3:] = 100.0
    torch.testing.assert_close(pooling(regions, mask), pooling(changed, mask))
    torch.testing.assert_close(pooling(regions, mask)[:1], pooling(regions[:1, :3]))


def test_pooling_by_hand() -> None:
    pooling = AttentionPooling(2, 2, 2)
    with torch.no_grad():
        pooling.query_HC.copy_(torch.tensor([[0.0, 0.0], [100.0, 0.0]]))
        pooling.key.weight.copy_(torch.eye(2))
        for value in (pooling.sentence_value, pooling.word_value):
            value.weight.copy_(torch.eye(2))
            value.bias.zero_()
    regions = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    # A query of zeros takes the mean; a long one takes the region that it points at.
    torch.testing.assert_close(pooling(regions), torch.tensor([[[2.0, 3.0], [3.0, 4.0]]]))


def test_wrong_settings_are_the_users_error() -> None:
    for config in (
        EncoderConfig(heads=1),
        EncoderConfig(channels=(10,)),
        EncoderConfig(frozen=True),
        EncoderConfig(backbone="/no/such/checkpoint"),
    ):
        with pytest.raises(UserError, match="--encoder"):
            build_encoder(config)


def checkpoint(kind: str, folder: Path) -> Path:
    """A tiny checkpoint with random weights, as transformers saves it."""
    torch.manual_seed(0)
    if kind == "vit":
        ViTModel(ViTConfig(image_size=32, **TOWER)).save_pretrained(folder)
        ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]).save_pretrained(folder)
    elif kind == "resnet":
        sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
        ResNetModel(ResNetConfig(**sizes)).save_pretrained(folder)
    elif kind == "clip-vision":
        CLIPVisionModel(CLIPVisionConfig(image_size=32, **TOWER)).save_pretrained(folder)
    else:
        text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        CLIPModel(CLIPConfig(text_config=text, vision_config={"image_size": 32, **TOWER})).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["vit", "resnet", "clip-vision", "clip"])
def test_any_transformers_backbone_by_path(kind: str, tmp_path: Path) -> None:
    folder = checkpoint(kind, tmp_path / kind)
    encoder = build_encoder(EncoderConfig(backbone=str(folder), heads=3, dim=12)).train()
    images = torch.from_numpy(pictures(3))
    heads = encoder(images)
    assert heads.shape == (3, 3, 12)
    heads.square().sum().backward()
    trained = [p for p in encoder.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)
    assert any(p.requires_grad for p in encoder.backbone.parameters())
    torch.testing.assert_close(heads[:1], encoder(images[:1]), atol=1e-5, rtol=1e-5)  # BatchNorm stays as it came
    # A run folder alone rebuilds it, without the checkpoint that it came from.
    run = tmp_path / "run"
    run.mkdir()
    encoder.save(run)
    save_file({k: v.contiguous() for k, v in encoder.state_dict().items()}, run / "model.safetensors")
    again = rebuild_encoder(run)
    again.load_state_dict(load_file(run / "model.safetensors"))
    torch.testing.assert_close(again.eval()(images), encoder.eval()(images))


def test_backbone_brings_its_size_and_normalisation(tmp_path: Path) -> None:
    encoder = build_encoder(EncoderConfig(backbone=str(checkpoint("vit", tmp_path / "vit"))))
    assert encoder.config.image_size == 32
    assert encoder.statistics == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_frozen_backbone_leaves_pooling_to_train(tmp_path: Path) -> None:
    folder = checkpoint("vit", tmp_path / "vit")
    encoder = build_encoder(EncoderConfig(backbone=str(folder), frozen=True))
    assert not any(p.requires_grad for p in encoder.backbone.parameters())
    assert all(p.requires_grad for p in encoder.pooling.parameters())


STILL = AugmentConfig(shift=0, zoom=0, flip=0, light=0, tint=0)


def test_augmentation_of_nothing_is_the_picture() -> None:
    images, generator = pictures(5, 16), torch.Generator().manual_seed(0)
    rows = np.array([4, 0, 0])
    np.testing.assert_array_equal(augment(images, rows, STILL, generator), images[rows])


def test_flip_and_light() -> None:
    images, generator, rows = pictures(4, 16), torch.Generator().manual_seed(0), np.arange(4)
    flipped = augment(images, rows, AugmentConfig(shift=0, zoom=0, flip=1, light=0, tint=0), generator)
    np.testing.assert_array_equal(flipped, images[:, :, ::-1])
    lit = augment(images, rows, AugmentConfig(shift=0, zoom=0, flip=0, light=0.3, tint=0), generator)
    assert (lit != images).any()
    # Light moves all pixels of a picture by one rising curve: the order of brightness stays.
    flat, before = lit[0].ravel().astype(int), images[0].ravel()
    assert (np.diff(flat[np.argsort(before, kind="stable")]) >= 0).all()


def test_augmentation_follows_its_generator_and_leaves_the_corpus_alone() -> None:
    images, rows, config = pictures(4, 16), np.arange(4), AugmentConfig()
    before = images.copy()
    first, second, third = (augment(images, rows, config, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
    np.testing.assert_array_equal(images, before)
