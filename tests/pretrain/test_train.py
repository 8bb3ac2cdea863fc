import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data.posts import Posts
from pretrain.beam import BeamConfig
from pretrain.encoder import EncoderConfig, build_encoder
from pretrain.pictures import PixelPictures
from pretrain.recipes import RECIPES
from pretrain.task import PictureBatches, PretrainTask
from pretrain.train import PretrainConfig, load_pretrained, main
from stylecast.config import from_dict, to_dict
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, _optimiser
from tests.pretrain.shapes import shapes_posts


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def test_tags_and_captions_are_learnt(pretrain_run: Path) -> None:
    metrics = json.loads((pretrain_run / "manifest.json").read_text())["metrics"]
    # Colour and shape are in the picture, the six other words are not: chance is near 0.3.
    assert metrics["tag_map"] > 0.45
    assert metrics["caption_perplexity"] < 9  # of eleven words and the end mark


def test_run_folder_alone_rebuilds_the_encoder(pretrain_run: Path, posts_run: Path) -> None:
    posts, loaded = Posts.load(posts_run), load_pretrained(pretrain_run)
    heads = loaded.encoder(torch.from_numpy(posts.images[:4].copy()))
    assert heads.shape == (4, 3, 32)
    assert loaded.table_VD is not None
    assert loaded.table_VD.shape == (len(loaded.vocabulary), 32)


def test_up_to_date_run_is_skipped(
    pretrain_run: Path, pretrain_config: PretrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    before = (pretrain_run / "manifest.json").stat().st_mtime_ns
    main(pretrain_config)
    assert (pretrain_run / "manifest.json").stat().st_mtime_ns == before


def test_stopped_training_goes_on_to_the_same_weights(
    pretrain_run: Path, pretrain_config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(pretrain_config, out=tmp_path / "run", loop=replace(pretrain_config.loop, checkpoint_seconds=0))
    forward, calls = PretrainTask.forward, []

    def interrupted(self: PretrainTask, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return forward(self, batch)

    monkeypatch.setattr(PretrainTask, "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(config)
    assert not (tmp_path / "run").exists()
    main(config)
    assert len(calls) < 2 * 20 + 70  # it went on, and did not start over
    one, other = weights_of(pretrain_run), weights_of(tmp_path / "run")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_later_posts_change_nothing(pretrain_run: Path, pretrain_config: PretrainConfig, tmp_path: Path) -> None:
    moved = shapes_posts(tmp_path, late_words=("机器人", "火箭", "芯片", "咖啡"))
    main(replace(pretrain_config, posts=moved, out=tmp_path / "pretrain"))
    one, other = weights_of(pretrain_run), weights_of(tmp_path / "pretrain")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_losses_can_be_left_out(pretrain_config: PretrainConfig, tmp_path: Path) -> None:
    short = replace(pretrain_config.loop, epochs=1, max_steps=2)
    no_tags = main(replace(pretrain_config, out=tmp_path / "captions", tags_weight=0.0, loop=short))
    assert load_pretrained(no_tags).table_VD is None
    assert "caption_perplexity" in json.loads((no_tags / "manifest.json").read_text())["metrics"]
    with pytest.raises(UserError, match="tags-weight"):
        main(replace(pretrain_config, out=tmp_path / "none", tags_weight=0.0, captions_weight=0.0))
    with pytest.raises(UserError, match="0 or more"):
        main(replace(pretrain_config, out=tmp_path / "none", captions_weight=-1.0))
    with pytest.raises(UserError, match=r"--beam\.width"):
        main(replace(pretrain_config, out=tmp_path / "none", beam=BeamConfig(width=0)))


def test_too_early_a_cut_off_is_the_users_error(pretrain_config: PretrainConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training posts|too few"):
        main(replace(pretrain_config, out=tmp_path / "run", cut_off="2024-01-01"))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_a_round_trip(name: str) -> None:
    config = RECIPES[name]()
    assert from_dict(to_dict(config), PretrainConfig) == config


def test_each_layer_of_the_encoder_gets_its_learning_rate() -> None:
    encoder = build_encoder(EncoderConfig(channels=(8, 16), heads=3, dim=8, layer_decay=0.5))
    nothing = PictureBatches(PixelPictures(np.zeros((0, 8, 8, 3))), *[np.zeros(0, np.int64)] * 4)
    optimiser = _optimiser(PretrainTask(encoder, None, None, (1.0, 1.0), nothing), LoopConfig())
    shares = {id(p): group["share"] for group in optimiser.param_groups for p in group["params"]}
    assert len(shares) == len(list(encoder.parameters()))
    told = {name: shares[id(p)] for name, p in encoder.named_parameters()}
    assert told["pooling.query_HC"] == 1
    assert told["backbone.layers.5.weight"] == 0.5  # patches, block, norm, halving, block, norm
    assert told["backbone.layers.0.weight"] == 0.5**6
