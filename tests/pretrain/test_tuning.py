"""A pretrained backbone through the whole stage: tuned layer by layer, frozen, and rebuilt from the run folder."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data.posts import Posts
from pretrain.encoder import EncoderConfig
from pretrain.train import PretrainConfig, load_pretrained, main
from tests.pretrain.checkpoints import checkpoint

PREFIX = "encoder.backbone.model."


def pretrain(config: PretrainConfig, folder: Path, **settings: float) -> dict[str, torch.Tensor]:
    """How far each weight of a tiny ViT moved, on average; relative to the learning rate of one step."""
    backbone, model = checkpoint("vit", folder / "vit")
    encoder = EncoderConfig(backbone=str(backbone), heads=3, dim=16, **settings)  # type: ignore[arg-type]
    loop = replace(config.loop, max_steps=3, warmup=0.0, weight_decay=0.0)
    run = main(replace(config, encoder=encoder, loop=loop, out=folder / "run", caption_samples=0))
    weights = load_file(run / "model.safetensors")
    return {name: (weights[PREFIX + name] - before).abs().mean() for name, before in model.state_dict().items()}


def test_lower_layers_move_less(pretrain_config: PretrainConfig, tmp_path: Path) -> None:
    moved = pretrain(pretrain_config, tmp_path, layer_decay=0.1)
    stem, first, second = (
        moved[name]
        for name in (
            "embeddings.patch_embeddings.projection.weight",
            "layers.0.mlp.fc1.weight",
            "layers.1.mlp.fc1.weight",
        )
    )
    assert first / second == pytest.approx(0.1, rel=0.3)
    assert stem / second == pytest.approx(0.01, rel=0.3)


def test_a_frozen_backbone_stays_as_it_came(pretrain_config: PretrainConfig, posts_run: Path, tmp_path: Path) -> None:
    moved = pretrain(pretrain_config, tmp_path, frozen=True)
    assert max(moved.values()) == 0
    encoder = load_pretrained(tmp_path / "run").encoder
    assert not any(p.requires_grad for p in encoder.backbone.parameters())
    assert all(p.requires_grad for p in encoder.pooling.parameters())
    assert encoder(torch.from_numpy(Posts.load(posts_run).images[:2].copy())).shape == (2, 3, 16)
