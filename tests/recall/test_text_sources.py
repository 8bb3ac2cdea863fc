"""Styles from texts by what makes their vectors: the sentence matcher's text side, or a model of transformers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.posts import Posts
from recall.cluster import ClusterConfig
from recall.embeddings import Embeddings
from recall.items import SourceConfig, TextBy, load_items
from recall.styles import StylesConfig, main
from recall.text_model import open_text_model
from stylecast.errors import UserError
from tests.recall.texts import text_checkpoint

SOURCE = SourceConfig(source="text", text_dimensions=4, min_count=2, seed=0)


def test_the_matchers_text_side_speaks_for_the_posts(shapes: Path, recall_run: Path, tmp_path: Path) -> None:
    posts = Posts.load(shapes / "prepare")
    items = load_items(posts, recall_run, None, replace(SOURCE, text_by="matcher"), None, tmp_path)
    stored = Embeddings.load(recall_run / "text")
    row_of = pd.Series(np.arange(len(stored.ids)), index=stored.ids)
    np.testing.assert_array_equal(items.vectors_ND, stored.vectors_ND[row_of[items.table["id"]].to_numpy()])
    silent = set(posts.table.loc[posts.table["words"] == "", "post_id"])
    assert silent
    assert not silent & set(items.table["id"])


def test_a_model_of_transformers_speaks_for_the_posts(shapes: Path, tmp_path: Path) -> None:
    folder, _, _ = text_checkpoint("bert", tmp_path / "bert")
    posts = Posts.load(shapes / "prepare")
    config = replace(SOURCE, text_by="model", text_model=str(folder))
    items = load_items(posts, None, None, config, None, tmp_path)
    said = posts.table.set_index("post_id").loc[items.table["id"], "sentence"].tolist()
    found = open_text_model(str(folder)).embed(said[:3])
    np.testing.assert_allclose(
        items.vectors_ND[:3], found / np.linalg.norm(found, axis=1, keepdims=True), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("by", ["matcher", "model"])
def test_both_puts_either_beside_the_pictures(shapes: Path, recall_run: Path, tmp_path: Path, by: TextBy) -> None:
    folder, _, _ = text_checkpoint("bert", tmp_path / "bert")
    run = main(
        StylesConfig(
            posts=shapes / "prepare", recall=recall_run, out=tmp_path / by, source="both", text_by=by,
            text_model=str(folder) if by == "model" else "", cluster=ClusterConfig(k=3), figures=False,
        )
    )  # fmt: skip
    rows = pd.read_parquet(run / "assignments.parquet")
    assert set(rows["id"]) == set(Posts.load(shapes / "prepare").pictures["picture_id"])
    assert rows["style"].nunique() == 3


def test_what_is_not_given_is_told(shapes: Path, tmp_path: Path) -> None:
    posts = Posts.load(shapes / "prepare")
    with pytest.raises(UserError, match="--text-by model needs --text-model"):
        load_items(posts, None, None, replace(SOURCE, text_by="model"), None, tmp_path)
    with pytest.raises(UserError, match="--text-by matcher needs --recall"):
        load_items(posts, None, None, replace(SOURCE, text_by="matcher"), None, tmp_path)
    with pytest.raises(UserError, match="are read by --text-by words, not by model"):
        load_items(posts, None, shapes, replace(SOURCE, text_by="model", text_model="x"), None, tmp_path)
