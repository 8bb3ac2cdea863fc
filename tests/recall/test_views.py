"""Encoders that see the clothes on black, from prepare to the embeddings and the styles."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from pretrain.pictures import PixelPictures, embed
from pretrain.recipes import tiny as tiny_pretrain
from pretrain.train import main as pretrain
from recall.cluster import ClusterConfig
from recall.embeddings import normalise
from recall.recipes import tiny
from recall.search import Searcher
from recall.styles import StylesConfig
from recall.styles import main as find_styles
from recall.train import RecallConfig, main
from stylecast.errors import UserError
from tests.pretrain.shapes import shapes_feed


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `prepare`, where a shape is the garment, and `pretrain` on the garments."""
    folder = tmp_path_factory.mktemp("garments")
    prepare(PrepareConfig(posts=shapes_feed(folder / "feed"), out=folder / "prepare", picture_size=24, workers=1,
                          now="2024-06-01", segment="grabcut", segment_size=24))  # fmt: skip
    config = tiny_pretrain()
    encoder = replace(config.encoder, view="garment")
    loop = replace(config.loop, epochs=1, batch_size=16)
    pretrain(replace(config, encoder=encoder, posts=folder / "prepare", out=folder / "pretrain", loop=loop))
    return folder


def recalled(garments: Path, **changes: str) -> Path:
    config: RecallConfig = tiny()
    loop = replace(config.loop, epochs=1, batch_size=16)
    return main(replace(config, posts=garments / "prepare", pretrain=garments / "pretrain",
                        out=garments / f"recall{len(changes)}", loop=loop, pool=10, **changes))  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "view", "other"), [({}, "garment", "picture"), ({"view": "picture"}, "picture", "garment")]
)
def test_recall_sees_what_the_encoder_was_pretrained_on(
    garments: Path, changes: dict[str, str], view: str, other: str
) -> None:
    run = recalled(garments, **changes)
    assert json.loads((run / "encoder.json").read_text())["config"]["view"] == view
    posts, encoder = Posts.load(garments / "prepare"), Searcher.load(run).models.encoder
    stored = np.load(run / "vectors.npy")
    seen, unseen = (
        normalise(embed(encoder, PixelPictures.of(posts, name), np.arange(len(stored)), torch.device("cpu"))[:, 0])
        for name in (view, other)
    )
    np.testing.assert_allclose(stored, seen, atol=1e-6)
    assert np.abs(stored - unseen).max() > 0.01


def test_styles_of_garments_count_copies_once(garments: Path) -> None:
    run = recalled(garments)
    counts = []
    for duplicates in ("many", "once"):
        config = StylesConfig(
            posts=garments / "prepare", recall=run, out=garments / duplicates, duplicates=duplicates,
            cluster=ClusterConfig(k=6),
        )  # fmt: skip
        counts.append(pd.read_parquet(find_styles(config) / "panel.parquet")["count"].sum())
    pictures = Posts.load(garments / "prepare").pictures
    reposts = int((pictures["duplicate_of"] != "").sum())
    emerging = pd.read_parquet(garments / "many" / "assignments.parquet")["emerging"]
    assert reposts > 10
    assert counts[0] == pytest.approx(len(pictures) - emerging.sum())
    assert counts[0] - reposts <= counts[1] + 1e-6
    assert counts[1] < counts[0]


def test_a_garment_view_needs_masks(garments: Path) -> None:
    plain = prepare(PrepareConfig(posts=garments / "feed" / "posts.csv", out=garments / "plain", workers=1))
    config = tiny_pretrain()
    encoder = replace(config.encoder, view="garment")
    with pytest.raises(UserError, match="have no masks; run `stylecast prepare` with --segment"):
        pretrain(replace(config, encoder=encoder, posts=plain, out=garments / "none"))
