import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, PreTrainedModel

from pretrain.backbones import layer_shares
from pretrain.encoder import AttentionPooling, EncoderConfig, build_encoder, rebuild_encoder
from pretrain.pictures import AugmentConfig, PixelPictures, augment, embed
from stylecast.errors import UserError
from tests.pretrain.checkpoints import FAMILIES, TEXT, checkpoint

SMALL = EncoderConfig(channels=(8, 16), heads=3, dim=12)


def pictures(count: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def test_small_encoder_shapes_and_gradients() -> None:
    encoder = build_encoder(SMALL)
    heads = encoder(torch.from_numpy(pictures(2)))
    assert heads.shape == (2, 3, 12)
    heads.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())  # or DDP would wait for it


def test_the_backbone_sees_colours_first_and_standardised() -> None:
    encoder = build_encoder(EncoderConfig(channels=(8,), heads=2, dim=4))
    seen: list[torch.Tensor] = []
    encoder.backbone.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    shown = torch.from_numpy(pictures(3))
    before = shown.clone()
    encoder(shown)
    expected = ((before.float() / 255 - encoder.mean_C) / encoder.std_C).permute(0, 3, 1, 2)
    assert torch.equal(seen[0], expected)
    assert seen[0].is_contiguous()
    assert torch.equal(shown, before)


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
        EncoderConfig(layer_decay=0.0),
        EncoderConfig(backbone="/no/such/checkpoint"),
    ):
        with pytest.raises(UserError, match="--encoder"):
            build_encoder(config)


def own_features(model: PreTrainedModel, pixels: torch.Tensor) -> torch.Tensor:
    """What the model itself says of normalised pixels, as B×R×C."""
    body = getattr(model, "base_model", model)
    features = getattr(body, "vision_model", body)(pixel_values=pixels).last_hidden_state
    return features.flatten(2).transpose(1, 2) if features.ndim == 4 else features


@pytest.mark.parametrize("kind", FAMILIES)
def test_any_transformers_backbone_by_path(kind: str, tmp_path: Path) -> None:
    folder, model = checkpoint(kind, tmp_path / kind)
    encoder = build_encoder(EncoderConfig(backbone=str(folder), heads=3, dim=12))
    images = torch.from_numpy(pictures(3, 32))
    # The regions are those of the checkpoint's own weights, with its own normalisation.
    pixels = ((images / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.4, 0.5, 0.6])).permute(0, 3, 1, 2)
    torch.testing.assert_close(encoder.eval().regions(images), own_features(model, pixels), atol=1e-5, rtol=1e-5)
    heads = encoder.train()(images)
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


@pytest.mark.parametrize("kind", ["vit", "clip", "chinese-clip", "siglip", "convnext"])
def test_pictures_of_another_size_than_the_checkpoints(kind: str, tmp_path: Path) -> None:
    folder, _ = checkpoint(kind, tmp_path / kind)
    encoder = build_encoder(EncoderConfig(backbone=str(folder), image_size=48, heads=3, dim=12))
    assert encoder(torch.from_numpy(pictures(2))).shape == (2, 3, 12)


def test_what_is_no_vision_model_is_the_users_error(tmp_path: Path) -> None:
    BertModel(BertConfig(**TEXT)).save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="no vision model"):
        build_encoder(EncoderConfig(backbone=str(tmp_path / "bert")))


def test_a_damaged_checkpoint_is_the_users_error(tmp_path: Path) -> None:
    folder, _ = checkpoint("vit", tmp_path / "vit")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="transformers cannot load it"):
        build_encoder(EncoderConfig(backbone=str(folder)))


def test_a_checkpoint_that_lacks_weights_is_the_users_error(tmp_path: Path) -> None:
    folder, _ = checkpoint("vit", tmp_path / "vit")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "layer.1." in name)
    save_file({k: v for k, v in weights.items() if k != lost}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="lacks weights"):
        build_encoder(EncoderConfig(backbone=str(folder)))


@pytest.mark.parametrize("kind", ["vit", "clip", "siglip", "resnet", "convnext"])
def test_learning_rates_fall_layer_by_layer(kind: str, tmp_path: Path) -> None:
    folder, _ = checkpoint(kind, tmp_path / kind)  # each family has two layers here
    encoder = build_encoder(EncoderConfig(backbone=str(folder), layer_decay=0.5))
    shares = encoder.learning_rates()
    assert set(shares) == {name for name, _ in encoder.named_parameters() if name.startswith("backbone.")}
    assert {share for name, share in shares.items() if "embed" in name} == {1 / 8}
    assert {share for name, share in shares.items() if re.search(r"(layers|stages)\.0\.", name)} >= {1 / 4}
    assert set(shares.values()) - {1} == {1 / 8, 1 / 4, 1 / 2}


def test_layers_by_hand() -> None:
    names = ["embed.weight", "layers.0.a", "layers.1.b.3.c", "layers.2.a", "norm.bias"]
    assert list(layer_shares(names, 0.5).values()) == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
    assert layer_shares(["a", "b"], 0.5) == {"a": 1, "b": 1}


def test_backbone_brings_its_size_and_normalisation(tmp_path: Path) -> None:
    encoder = build_encoder(EncoderConfig(backbone=str(checkpoint("vit", tmp_path / "vit")[0])))
    assert encoder.config.image_size == 32
    assert encoder.statistics == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_frozen_backbone_leaves_pooling_to_train(tmp_path: Path) -> None:
    folder, _ = checkpoint("vit", tmp_path / "vit")
    encoder = build_encoder(EncoderConfig(backbone=str(folder), frozen=True)).train()
    assert not any(p.requires_grad for p in encoder.backbone.parameters())
    assert all(p.requires_grad for p in encoder.pooling.parameters())
    assert not any(module.training for module in encoder.backbone.model.modules())  # its dropout stays off
    assert not encoder.regions(torch.from_numpy(pictures(2))).requires_grad


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
