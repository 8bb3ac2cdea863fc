"""Phrases: every word counts alike, however loud it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from recall.phrases import WordLevels, best_heads
from recall.search import SearchConfig, Searcher, main
from stylecast.errors import UserError

N, D = 400, 6


@pytest.fixture
def heads_NHD() -> np.ndarray:
    """400 pictures of which some show attribute 0, some attribute 1, and picture 7 both, neither very strongly."""
    heads = np.random.default_rng(0).normal(0, 0.3, (N, 3, D)).astype(np.float32)
    heads[20:40, 1, 0] += 4
    heads[60:80, 2, 1] += 4
    heads[7, 1, 0] += 3
    heads[7, 2, 1] += 3
    return heads


def test_a_loud_word_does_not_drown_the_other(heads_NHD: np.ndarray) -> None:
    table_VD = torch.zeros(5, D)
    table_VD[3, 0], table_VD[4, 1] = 20.0, 1.0
    heads = torch.from_numpy(heads_NHD)
    assert best_heads(table_VD[[3, 4]], heads).mean(dim=0).argmax() in range(20, 40)  # the raw mean is word 3 alone
    levels = WordLevels.measure(table_VD, heads_NHD)
    each_WN = levels.word_scores(table_VD[[3, 4]], [3, 4], heads)
    assert each_WN.mean(axis=0).argmax() == 7
    np.testing.assert_allclose(np.median(each_WN, axis=1), 0, atol=0.02)
    np.testing.assert_allclose(np.quantile(each_WN, 0.99, axis=1), 2.326, atol=0.05)


def test_the_length_of_a_words_vector_says_nothing(heads_NHD: np.ndarray) -> None:
    table_VD = torch.randn(6, D, generator=torch.Generator().manual_seed(0))
    louder_VD = table_VD * torch.tensor([1.0, 1.0, 1.0, 5.0, 0.1, 3.0])[:, None]
    heads, words = torch.from_numpy(heads_NHD), [3, 4, 5]
    one = WordLevels.measure(table_VD, heads_NHD).word_scores(table_VD[words], words, heads)
    other = WordLevels.measure(louder_VD, heads_NHD).word_scores(louder_VD[words], words, heads)
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_levels_are_kept_and_missing_ones_told(heads_NHD: np.ndarray, tmp_path: Path) -> None:
    levels = WordLevels.measure(torch.ones(4, D), heads_NHD)
    levels.save(tmp_path)
    again = WordLevels.load(tmp_path)
    np.testing.assert_array_equal(again.middle_V, levels.middle_V)
    np.testing.assert_array_equal(again.spread_V, levels.spread_V)
    with pytest.raises(UserError, match=r"word_levels.npy is missing; run `stylecast recall --force`"):
        WordLevels.load(tmp_path / "nowhere")


def test_the_score_of_a_phrase_is_the_mean_of_its_words(recall_run: Path, tmp_path: Path) -> None:
    searcher = Searcher.load(recall_run)
    found = searcher.search("红色 方块", 5)
    each = found[["score of 红色", "score of 方块"]].mean(axis=1)
    np.testing.assert_allclose(found["word_score"], each, rtol=1e-5)
    np.testing.assert_allclose(found[["weight of 红色", "weight of 方块"]].sum(axis=1), 1, rtol=1e-5)
    told = main(SearchConfig(run=recall_run, phrase="红色 方块", k=2, out=tmp_path / "s.png", explain=True))
    assert f"红色 {found['score of 红色'][0]:.2f} ({found['weight of 红色'][0]:.0%})" in told
    brief = main(SearchConfig(run=recall_run, phrase="红色 方块", k=2, out=tmp_path / "s.png"))
    assert "%)" in told
    assert "%)" not in brief
