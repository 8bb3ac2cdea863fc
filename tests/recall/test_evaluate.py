import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.examples import Division
from recall.gallery import Blend, Gallery, build_gallery, fit_blend, matching_metrics, pool_spread, score_all, text_ids
from recall.matchers import TextEncoder, sentence_scores, word_scores
from recall.metrics import first_rank, gallery_metrics, ndcg, ranked_relevance


def test_ndcg_by_hand() -> None:
    scores = np.array([[6.0, 5, 4, 3, 2, 1]])
    relevant = np.array([[False, True, False, True, False, True]])  # the third comes too late, at position 6
    gained = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(scores, relevant)[0] == pytest.approx(gained / ideal)


def test_ideal_is_cut_at_the_depth() -> None:
    assert ndcg(np.arange(8.0)[None], np.ones((1, 8), bool))[0] == pytest.approx(1)
    assert ndcg(np.arange(8.0)[None], np.zeros((1, 8), bool))[0] == 0
    assert ndcg(np.array([[1.0, 2.0]]), np.array([[False, True]]))[0] == pytest.approx(1)  # a pool smaller than 5


def slow_ndcg(scores: list[float], relevant: list[bool]) -> float:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], relevant[i]))
    dcg = sum(1 / math.log2(p + 2) for p, i in enumerate(order[:5]) if relevant[i])
    ideal = sum(1 / math.log2(p + 2) for p in range(min(sum(relevant), 5)))
    return dcg / ideal if ideal else 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_ndcg_against_the_slow_way_ties_and_all(pool: list[tuple[int, bool]]) -> None:
    scores, relevant = [float(s) for s, _ in pool], [r for _, r in pool]
    assert ndcg(np.array([scores]), np.array([relevant]))[0] == pytest.approx(slow_ndcg(scores, relevant))


def test_ties_count_against_us() -> None:
    scores, relevant = np.zeros((1, 4)), np.array([[True, False, False, False]])
    assert ranked_relevance(scores, relevant, 4).tolist() == [[False, False, False, True]]
    assert first_rank(scores, relevant).tolist() == [4]


def test_first_rank_and_gallery_metrics() -> None:
    scores = np.array([[0.9, 0.8, 0.7], [0.1, 0.2, 0.3], [1.0, 0.0, 0.5]])
    relevant = np.array([[False, True, True], [False, False, True], [False, False, False]])
    ranks = first_rank(scores, relevant)
    assert ranks.tolist() == [2, 1, 4]
    told = gallery_metrics(np.array([1, 3, 7, 20]))
    assert told == pytest.approx(
        {"recall@1": 0.25, "recall@5": 0.5, "recall@10": 0.75, "mrr": (1 + 1 / 3 + 1 / 7 + 1 / 20) / 4}
    )


def toy_gallery(queries: int = 60, pictures: int = 80, seed: int = 0) -> Gallery:
    rng = np.random.default_rng(seed)
    relevant = np.eye(queries, pictures, dtype=bool)
    pool = np.stack([np.concatenate([[q], rng.choice(np.delete(np.arange(pictures), q), 9, replace=False)])
                     for q in range(queries)])  # fmt: skip
    return Gallery(np.arange(pictures), np.arange(queries), relevant, pool)


def test_chunks_give_the_whole_matrix() -> None:
    torch.manual_seed(0)
    text, heads = TextEncoder(torch.randn(20, 8)).eval(), torch.randn(23, 3, 8)
    words = np.random.default_rng(0).integers(0, 20, (17, 5))
    word, sentence = score_all(text, words, heads, chunk=6)
    with torch.inference_mode():
        query = text(torch.from_numpy(words))
        np.testing.assert_allclose(word, word_scores(query, heads), atol=1e-5)
        np.testing.assert_allclose(sentence, sentence_scores(query, heads), atol=1e-6)


def test_pool_and_gallery_metrics_by_hand() -> None:
    gallery = Gallery(np.arange(4), np.arange(1), np.array([[False, True, False, False]]), pool_QK=np.array([[1, 2]]))
    told = matching_metrics(np.array([[0.9, 0.5, 0.6, 0.1]]), gallery)
    assert told["ndcg@5"] == pytest.approx(1 / math.log2(3))  # second of its pool
    assert told["mrr"] == pytest.approx(1 / 3)  # third of the gallery


def test_blend_is_no_worse_than_either_and_its_honest_figure_is_another() -> None:
    gallery, rng = toy_gallery(), np.random.default_rng(0)
    word = rng.normal(size=gallery.relevant_QN.shape) * 40 + 50 * gallery.relevant_QN
    sentence = rng.normal(size=gallery.relevant_QN.shape) * 0.1 + 0.12 * gallery.relevant_QN
    level_N = np.zeros(80)
    blend, told = fit_blend(word, sentence, level_N, gallery)
    alone = [matching_metrics(scores, gallery)["ndcg@5"] for scores in (word, sentence)]
    assert told["in_sample"] >= max(alone)
    assert told["in_sample"] == pytest.approx(matching_metrics(blend(word, sentence, level_N), gallery)["ndcg@5"])
    assert told["nested"] != told["in_sample"]
    assert 0 < blend.odds_weight < 1


def test_nested_figure_is_that_of_the_other_halfs_weight() -> None:
    gallery = toy_gallery(queries=40)
    good = gallery.relevant_QN * 2.0 + np.random.default_rng(0).random(gallery.relevant_QN.shape)
    bad = -good
    # The word score is right on the first half of the queries and wrong on the second, so each half's weight
    # is the worst for the other.
    word = np.concatenate([good[:20], bad[20:]])
    sentence = np.concatenate([bad[:20], good[20:]])
    _, told = fit_blend(word, sentence, np.zeros(80), gallery)
    assert told["nested"] < 0.1
    assert told["in_sample"] > 0.4


def test_blend_scales_come_from_the_pools() -> None:
    gallery = toy_gallery()
    scores = np.random.default_rng(0).normal(size=gallery.relevant_QN.shape)
    blend, _ = fit_blend(scores * 5, scores, np.arange(80.0), gallery)
    assert blend.word_scale == pytest.approx(5 * blend.sentence_scale)
    assert blend.sentence_scale == pytest.approx(pool_spread(scores, gallery))
    odds = scores * 2 / pool_spread(scores, gallery) - np.arange(80.0)
    assert blend.odds_scale == pytest.approx(pool_spread(odds, gallery))


def test_blend_by_hand() -> None:
    blend = Blend(word_weight=0.5, odds_weight=0.2, word_scale=2.0, sentence_scale=0.1, odds_scale=4.0)
    told = blend(np.array([4.0, 4.0]), np.array([0.5, 0.5]), np.array([0.0, 6.0]))
    np.testing.assert_allclose(told, [0.5 * 2 + 0.3 * 5 + 0.2 * 7 / 4, 0.5 * 2 + 0.3 * 5 + 0.2 * 1 / 4])


def test_the_odds_of_a_phrase_keep_to_the_word_score_that_hubness_is_made_of() -> None:
    blend = Blend(word_weight=0.5, odds_weight=0.2, word_scale=2.0, sentence_scale=0.1, odds_scale=4.0)
    told = blend(np.array([4.0]), np.array([0.5]), np.array([6.0]), phrase=np.array([3.0]))
    np.testing.assert_allclose(told, 0.5 * 3 + 0.3 * 5 + 0.2 * (2 + 5 - 6) / 4)


def test_a_query_without_a_known_word_tells_no_picture_from_another() -> None:
    blend = Blend(word_weight=0.1, odds_weight=0.8, word_scale=2.0, sentence_scale=0.1, odds_scale=4.0)
    assert not blend(np.zeros(3), np.zeros(3), np.array([1.0, 2.0, 3.0])).any()


def test_a_blend_takes_off_what_a_picture_scores_with_everything() -> None:
    gallery, rng = toy_gallery(), np.random.default_rng(0)
    level_N = rng.normal(size=80) * 3
    scores = rng.normal(size=gallery.relevant_QN.shape) + 2.5 * gallery.relevant_QN + level_N
    blend, told = fit_blend(scores, scores, level_N, gallery)
    assert blend.odds_weight >= 0.5
    assert told["nested"] > matching_metrics(scores, gallery)["ndcg@5"] + 0.2


def posts_table() -> pd.DataFrame:
    rows = [("a", "红 花"), ("b", "红 花"), ("c", "绿"), ("d", ""), ("e", ""), ("f", "蓝")]
    return pd.DataFrame(
        {
            "post_id": [r[0] for r in rows],
            "sentence": [r[1] for r in rows],
            "hashtags": "",
            "words": [r[1] for r in rows],
        }
    )


def test_same_text_is_one_and_silence_is_not() -> None:
    ids = text_ids(posts_table())
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


def test_gallery_of_held_out_posts() -> None:
    table = posts_table()
    # Pictures: two of a, one of each other; f trains, d and e are silent.
    division = Division(np.array(["valid"] * 5 + ["train"]), np.array([0, 0, 1, 2, 3, 4, 5]))
    usable = (table["words"] != "").to_numpy()
    gallery = build_gallery(table, division, "valid", usable, queries=10, pictures=10, pool=3)
    assert gallery.rows_N.tolist() == [0, 1, 2, 3]
    assert gallery.posts_Q.tolist() == [0, 1, 2]
    assert gallery.relevant_QN.tolist() == [[True, True, True, False]] * 2 + [[False, False, False, True]]
    assert gallery.pool_QK[:, 0].tolist() == [0, 2, 3]  # the first picture of each post
    assert all(len(set(row)) == 3 for row in gallery.pool_QK.tolist())


def test_gallery_is_cut_by_whole_posts() -> None:
    table = pd.DataFrame({"post_id": [f"p{n}" for n in range(20)], "sentence": "", "hashtags": "",
                          "words": [f"w{n}" for n in range(20)]})  # fmt: skip
    table["sentence"] = table["words"]
    division = Division(np.array(["valid"] * 20), np.repeat(np.arange(20), 2))
    gallery = build_gallery(table, division, "valid", np.ones(20, bool), queries=5, pictures=20, pool=30)
    assert len(gallery.rows_N) == 20
    assert len(gallery.posts_Q) == 5
    assert (gallery.relevant_QN.sum(axis=1) == 2).all()
    assert gallery.pool_QK.shape == (5, 20)  # no larger than the gallery
