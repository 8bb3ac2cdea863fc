"""The whole of recall on the world of shapes: what a run holds, and what a search finds."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from data.lexicon import Lexicon
from data.posts import Posts
from recall import fonts, sheet
from recall.embeddings import Embeddings, normalise, text_vectors
from recall.index import Index
from recall.index_kinds import IndexConfig
from recall.matcher import Matcher
from recall.recipes import RECIPES
from recall.search import SearchConfig, Searcher, main, recall_folder
from recall.train import TEXT, RecallConfig
from recall.train import main as recall
from stylecast.config import from_dict, to_dict
from stylecast.errors import UserError
from tests.pretrain.shapes import shapes_posts


def metrics_of(run: Path) -> dict[str, float]:
    return json.loads((run / "manifest.json").read_text())["metrics"]  # type: ignore[no-any-return]


def test_embeddings_must_belong_together(tmp_path: Path) -> None:
    Embeddings(np.array(["a", "b"]), np.eye(2, dtype=np.float32)).save(tmp_path)
    assert Embeddings.load(tmp_path).ids.tolist() == ["a", "b"]
    np.save(tmp_path / "vectors.npy", np.eye(3, dtype=np.float32))
    with pytest.raises(UserError, match="2 ids but 3 vectors"):
        Embeddings.load(tmp_path)


def test_matching_is_learnt_and_the_blend_told_honestly(recall_run: Path) -> None:
    told = metrics_of(recall_run)
    assert told["word_ndcg@5"] > 0.6  # chance in pools of ten with one answer: 0.29
    assert told["blend_ndcg@5_in_sample"] >= max(told["word_ndcg@5"], told["sentence_ndcg@5"]) - 1e-9
    assert "blend_ndcg@5" not in told
    assert 0 <= told["blend_ndcg@5_nested"] <= 1


def test_embeddings_cover_every_picture_and_post(recall_run: Path, shapes: Path) -> None:
    posts = Posts.load(shapes / "prepare")
    pictures, texts = Embeddings.load(recall_run), Embeddings.load(recall_run / "text")
    assert pictures.ids.tolist() == posts.pictures["picture_id"].tolist()
    np.testing.assert_allclose(np.linalg.norm(pictures.vectors_ND, axis=1), 1, rtol=1e-5)
    heads = np.load(recall_run / "heads.npy", mmap_mode="r")
    assert heads.shape == (len(posts.images), 3, 32)
    head_0 = heads[:, 0].astype(np.float32)
    cosine = (head_0 * pictures.vectors_ND).sum(axis=1) / np.linalg.norm(head_0, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-3)
    assert texts.ids.tolist() == posts.table["post_id"].tolist()
    silent = (posts.table["words"] == "").to_numpy()
    assert silent.any()
    lengths = np.linalg.norm(texts.vectors_ND, axis=1)
    np.testing.assert_allclose(lengths, np.where(silent, 0, 1), atol=1e-5)


def test_text_vectors_do_not_depend_on_the_chunk(recall_run: Path) -> None:
    models = Matcher.from_pretrained(recall_run)
    words = np.random.default_rng(0).integers(0, len(models.vocabulary), (10, 6))
    np.testing.assert_allclose(text_vectors(models.text, words, 3), text_vectors(models.text, words, 64), atol=1e-6)


def test_search_finds_what_was_asked_for(recall_run: Path, shapes: Path) -> None:
    posts, searcher = Posts.load(shapes / "prepare"), Searcher.load(recall_run)
    words_of = posts.table.set_index("post_id")["hashtags"]
    for colour in ("红色", "绿色", "蓝色"):
        found = words_of[searcher.search(colour, 8)["post_id"]]
        told = found[found != ""]  # a silent post has no word to check
        assert told.str.contains(colour).mean() > 0.75, told.tolist()


def test_planted_picture_comes_first(recall_run: Path) -> None:
    searcher = Searcher.load(recall_run)
    with torch.inference_mode():
        query = searcher.models.text(torch.tensor([searcher.models.encode("绿色 圆形")]))
    planted = np.array(searcher.heads_NHD, dtype=np.float32)
    planted[17, 0] = query.sentence_QD[0].numpy() * 10
    planted[17, 1:] = query.words_QWD[0].sum(dim=0).numpy() * 10
    vectors = planted[:, 0] / np.linalg.norm(planted[:, 0], axis=1, keepdims=True)
    found = Searcher(
        searcher.models, Index.build(vectors), planted, searcher.models.hubness(planted), searcher.pictures
    ).search("绿色 圆形", 3)
    assert found["row"].iloc[0] == 17
    assert found["rank"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", ["hnsw", "ivf-pq"])
def test_an_approximate_index_recalls_what_the_words_then_order(
    recall_run: Path, kind: Literal["hnsw", "ivf-pq"]
) -> None:
    plain = Searcher.load(recall_run)
    # The corpus many times over, a little changed each time: ivf-pq wants 10,000 vectors.
    times = -(-10_000 // len(plain.pictures))
    heads = np.tile(np.array(plain.heads_NHD, dtype=np.float32), (times, 1, 1))
    heads += 0.02 * np.random.default_rng(0).normal(size=heads.shape).astype(np.float32)
    vectors = normalise(heads[:, 0])
    pictures = pd.concat([plain.pictures] * times, ignore_index=True)
    pictures["picture_id"] += "-" + pictures.index.astype(str)
    texts = Embeddings.load(recall_run / TEXT).vectors_ND  # as a run does: sentences ask, not pictures
    asked, level_N = texts[texts.any(axis=1)], plain.models.hubness(heads)
    exact, quick = (
        Searcher(plain.models, Index.build(vectors, IndexConfig(kind=k), queries_SD=asked), heads, level_N, pictures)
        for k in ("exact", kind)
    )
    truth, found = exact.search("红色 方块", 50), quick.search("红色 方块", 50)
    both = truth.merge(found, on="picture_id")
    assert len(both) >= 45
    np.testing.assert_allclose(both["score_x"], both["score_y"], rtol=1e-5)

    # A removed picture is found no more, and the next ones move up.
    first = found["row"].iloc[:5].to_numpy()
    quick.index.remove(first)
    again = quick.search("红色 方块", 45)
    assert not again["row"].isin(first).any()
    assert again["picture_id"].head(20).tolist() == found["picture_id"].iloc[5:25].tolist()


def test_a_score_depends_on_phrase_and_picture_alone(recall_run: Path) -> None:
    searcher = Searcher.load(recall_run)
    few, many = searcher.search("红色 方块", 3), searcher.search("红色 方块", 60)
    pd.testing.assert_frame_equal(few, many.head(3))
    assert many["score"].is_monotonic_decreasing
    assert len(searcher.search("红色", 10_000)) == len(searcher.pictures)


def test_the_first_are_those_of_the_whole_table_sorted(recall_run: Path) -> None:
    searcher = Searcher.load(recall_run)
    # Twins have equal scores: their ids settle the order, also where the cut falls between them.
    heads = np.array(searcher.heads_NHD)
    pairs = len(heads) // 2
    heads[: 2 * pairs : 2] = heads[1 : 2 * pairs : 2]
    index = Index.build(normalise(heads[:, 0].astype(np.float32)))
    searcher = Searcher(searcher.models, index, heads, searcher.models.hubness(heads), searcher.pictures)
    words = searcher.models.encode("红色 方块")
    rows = np.arange(len(searcher.pictures))
    whole = pd.concat([searcher.pictures.assign(row=rows), searcher.score(words, rows)], axis=1)
    whole = whole.sort_values(["score", "picture_id"], ascending=[False, True], ignore_index=True)
    for k in (1, 2, 3, 10, len(rows), len(rows) + 5):
        found = searcher.search("红色 方块", k)
        assert len(found) == min(k, len(rows))
        pd.testing.assert_frame_equal(found.drop(columns="rank"), whole.head(k), rtol=1e-5)


def test_unknown_words_are_told(recall_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    searcher = Searcher.load(recall_run)
    with caplog.at_level(logging.INFO, logger="recall.matcher"):
        assert searcher.models.encode("红色 火星车") == searcher.models.encode("红色")
    assert "火星" in caplog.text
    with pytest.raises(UserError, match="火星"):
        searcher.search("火星车", 3)
    with pytest.raises(UserError, match="-k 0"):
        searcher.search("红色", 0)


def test_command_prints_hits_and_draws_a_sheet(recall_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    told = main(SearchConfig(run=recall_run.parent, phrase="红色", k=6, out=path))
    assert len(told.splitlines()) >= 7
    drawn = cv2.imread(str(path))
    assert drawn is not None
    assert drawn.shape[0] > 200
    with pytest.raises(UserError, match="--out"):
        main(SearchConfig(run=recall_run, phrase="红色", k=2, out=tmp_path / "nowhere" / "sheet.png"))


def test_sheet_without_a_chinese_font_shows_ids_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fonts, "CHINESE_FONTS", ())
    found = pd.DataFrame({"rank": [1], "score": [0.5], "title": ["价格 $5$"], "picture_id": ["p/0"], "row": [0]})
    sheet.contact_sheet(found, np.zeros((1, 8, 8, 3), np.uint8), tmp_path / "one.png", "红色")
    assert "fonts-noto-cjk" in caplog.text
    assert (tmp_path / "one.png").stat().st_size > 0


def test_foreign_folder_is_the_users_error(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a run folder"):
        recall_folder(tmp_path)
    with pytest.raises(UserError):
        Searcher.load(shapes / "prepare")


def test_later_posts_move_no_earlier_vector(recall_run: Path, recall_config: RecallConfig, tmp_path: Path) -> None:
    moved = shapes_posts(tmp_path, late_words=("机器人", "火箭", "芯片", "咖啡"))
    run = recall(replace(recall_config, posts=moved, out=tmp_path / "recall"))
    early = int(len(Embeddings.load(recall_run).ids) * 0.9)
    for name in ("", "text"):
        one, other = (Embeddings.load(folder / name) for folder in (recall_run, run))
        np.testing.assert_array_equal(one.ids[:early], other.ids[:early])
        np.testing.assert_array_equal(one.vectors_ND[:early], other.vectors_ND[:early])
    assert metrics_of(recall_run) == metrics_of(run)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_a_round_trip(name: str) -> None:
    config = RECIPES[name]()
    assert from_dict(to_dict(config), RecallConfig) == config


def test_a_phrase_is_cut_as_the_posts_were(shapes: Path, recall_run: Path) -> None:
    assert Lexicon.load(recall_run) == Lexicon.load(shapes / "prepare")
    searcher = Searcher.load(recall_run)
    both = searcher.models.vocabulary.encode(["红色", "绿色"])
    assert len(both) == 2
    assert searcher.models.known("红色绿色") == (both, [])
    own = replace(searcher.models, lexicon=Lexicon((("红色绿色", None),), ("周末",)))
    assert own.known("红色绿色 周末 红色") == (both[:1], ["红色绿色"])
