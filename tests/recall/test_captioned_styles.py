"""Generated texts place silent posts among the styles; nothing is learnt from them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pretrain.caption import CaptionConfig
from pretrain.caption import main as caption
from recall.cluster import ClusterConfig
from recall.styles import StylesConfig, main
from stylecast.errors import UserError

CLUSTER = ClusterConfig(k=3, pca=4, umap=2, neighbours=8, max_fit=500)


@pytest.fixture(scope="module")
def captions(shapes: Path) -> Path:
    return caption(CaptionConfig(posts=shapes / "prepare", pretrain=shapes / "pretrain", out=shapes / "captions"))


def find(shapes: Path, out: Path, captions: Path | None) -> Path:
    return main(
        StylesConfig(posts=shapes / "prepare", out=out, source="text", captions=captions, text_dimensions=4,
                     cut_off="2024-03-01", cluster=CLUSTER, figures=False)
    )  # fmt: skip


def test_silent_posts_join_the_styles_and_teach_nothing(shapes: Path, captions: Path, tmp_path: Path) -> None:
    with_text, without = find(shapes, tmp_path / "with", captions), find(shapes, tmp_path / "without", None)
    joined, before = (pd.read_parquet(run / "assignments.parquet") for run in (with_text, without))
    written = set(pd.read_parquet(captions / "captions.parquet")["post_id"])
    assert set(joined.loc[joined["generated"], "post_id"]) == written
    assert not before["generated"].any()
    assert not set(before["post_id"]) & written
    # Word vectors are the same to the last bit: no generated word was counted.
    for name in ("word_vectors.npy", "common.npy"):
        np.testing.assert_array_equal(np.load(with_text / "text" / name), np.load(without / "text" / name))


def test_captions_where_no_text_is_read_are_the_users_error(shapes: Path, captions: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--source text or both"):
        main(StylesConfig(posts=shapes / "prepare", recall=shapes, out=tmp_path / "run", captions=captions))
