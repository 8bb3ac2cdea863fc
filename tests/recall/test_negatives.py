import numpy as np
import torch

from recall.negatives import Negatives, NegativesConfig
from recall.task import QueryConfig, sample_queries

# Posts 0-4; words 3.. ; post 4 is no candidate.
WORDS = np.array([[3, 4, 5], [3, 6, 0], [7, 5, 0], [8, 0, 0], [3, 5, 0]])
CANDIDATES = np.array([3, 1, 0, 2])


def draws(config: NegativesConfig, post: int, count: int = 400, seed: int = 0) -> set[int]:
    sampler = Negatives(WORDS, CANDIDATES, 9, config)
    return set(sampler.draw(np.full(count, post), torch.Generator().manual_seed(seed)).tolist())


def test_shared_word() -> None:
    only = NegativesConfig(shared_word=1, last_word=0, random=0)
    assert draws(only, 0) == {0, 1, 2}  # 3 with post 1, 5 with post 2, itself
    assert draws(only, 3) == {3}
    assert draws(only, 4) == {0, 1, 2}


def test_last_word() -> None:
    only = NegativesConfig(shared_word=0, last_word=1, random=0)
    assert draws(only, 0) == {0, 2}  # word 5
    assert draws(only, 1) == {1}  # word 6


def test_random_draws_reach_every_candidate_and_no_other() -> None:
    assert draws(NegativesConfig(shared_word=0, last_word=0, random=1), 0) == {0, 1, 2, 3}


def test_mixture_is_kept() -> None:
    sampler = Negatives(WORDS, CANDIDATES, 9, NegativesConfig(shared_word=0, last_word=3, random=1))
    found = sampler.draw(np.full(4000, 1), torch.Generator().manual_seed(0))
    # By the last word only itself; a quarter is drawn from four candidates, itself among them.
    assert abs((found != 1).mean() - 0.25 * 0.75) < 0.03


def test_rare_words_are_picked_first() -> None:
    words = np.array([[3, 4], *[[3, 5]] * 50, [4, 6]])
    sampler = Negatives(words, np.arange(len(words)), 7, NegativesConfig(shared_word=1, last_word=0, random=0))
    found = sampler.draw(np.zeros(4000, int), torch.Generator().manual_seed(0))
    # Word 4 stands in 2 posts, word 3 in 51: their odds are 1/√2 to 1/√51.
    expected = (51**0.5 / (51**0.5 + 2**0.5)) / 2
    assert abs((found == 51).mean() - expected) < 0.03


def test_draws_follow_the_generator() -> None:
    sampler = Negatives(WORDS, CANDIDATES, 9, NegativesConfig())
    posts = np.array([0, 1, 2, 3] * 10)
    first, second = (sampler.draw(posts, torch.Generator().manual_seed(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_post_without_words_gets_a_random_negative() -> None:
    words = np.array([[0, 0], [3, 0], [4, 0]])
    sampler = Negatives(words, np.array([1, 2]), 5, NegativesConfig(shared_word=1, last_word=1, random=0))
    assert set(sampler.draw(np.zeros(50, int), torch.Generator().manual_seed(0)).tolist()) <= {1, 2}


def test_sampled_queries_keep_order_and_are_padded() -> None:
    words = np.array([[9, 3, 7, 5, 4, 8], [6, 0, 0, 0, 0, 0]])
    stressed = np.zeros_like(words, bool)
    for seed in range(20):
        taken = sample_queries(words, stressed, QueryConfig(words=4, short=0), torch.Generator().manual_seed(seed))
        assert taken.shape == (2, 4)
        kept = taken[0].tolist()
        assert kept == [w for w in words[0].tolist() if w in kept]
        assert len(set(kept)) == 4
        assert taken[1].tolist() == [6, 0, 0, 0]


def test_stressed_words_are_taken_more_often_and_short_queries_are_short() -> None:
    words = np.tile(np.arange(3, 13), (3000, 1))
    stressed = np.zeros_like(words, bool)
    stressed[:, 9] = True
    generator = torch.Generator().manual_seed(0)
    taken = sample_queries(words, stressed, QueryConfig(words=5, stress=4, short=0), generator)
    often = (taken == 12).any(axis=1).mean()
    seldom = (taken == 3).any(axis=1).mean()
    assert often > seldom + 0.2
    short = sample_queries(words, stressed, QueryConfig(words=5, short=1.0), generator)
    length, count = np.unique((short != 0).sum(axis=1), return_counts=True)
    assert length.tolist() == [1, 2, 3]
    assert count.min() > 800


def test_a_query_wider_than_the_posts() -> None:
    taken = sample_queries(
        np.array([[3, 4]]), np.zeros((1, 2), bool), QueryConfig(words=5, short=0), torch.Generator().manual_seed(0)
    )
    assert taken.tolist() == [[3, 4, 0, 0, 0]]
