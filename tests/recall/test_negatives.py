import numpy as np
import pytest
import torch

from pretrain.encoder import EncoderConfig, build_encoder
from pretrain.pictures import PixelPictures
from recall.mining import Clusters, cluster_numbers
from recall.negatives import Negatives, NegativesConfig
from recall.pairs import QueryConfig, sample_queries
from stylecast.errors import UserError
from stylecast.world import World

# Posts 0-4; words 3.. ; post 4 is no candidate.
WORDS = np.array([[3, 4, 5], [3, 6, 0], [7, 5, 0], [8, 0, 0], [3, 5, 0]])
CANDIDATES = np.array([3, 1, 0, 2])


def only(**shares: float) -> NegativesConfig:
    return NegativesConfig(**{"shared_word": 0, "last_word": 0, "random": 0} | shares)


def draws(config: NegativesConfig, post: int, count: int = 400, seed: int = 0) -> set[int]:
    sampler = Negatives(WORDS, CANDIDATES, 9, config)
    return set(sampler.draw(np.full(count, post), torch.Generator().manual_seed(seed)).tolist())


def test_shared_word() -> None:
    config = only(shared_word=1)
    assert draws(config, 0) == {0, 1, 2}  # 3 with post 1, 5 with post 2, itself
    assert draws(config, 3) == {3}
    assert draws(config, 4) == {0, 1, 2}


def test_last_word() -> None:
    config = only(last_word=1)
    assert draws(config, 0) == {0, 2}  # word 5
    assert draws(config, 1) == {1}  # word 6


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


LABELS = np.array([[1, 2], [2, 0], [3, 0], [0, 0], [1, 3]], np.uint8)


def drawn(sampler: Negatives, post: int) -> set[int]:
    return set(sampler.draw(np.full(400, post), torch.Generator().manual_seed(0)).tolist())


def test_the_same_box_label() -> None:
    sampler = Negatives(WORDS, CANDIDATES, 9, only(box_label=1), LABELS)
    assert drawn(sampler, 0) == {0, 1}
    assert drawn(sampler, 4) == {0, 2}
    assert drawn(sampler, 3) == {0, 1, 2, 3}  # no box label: any post


def test_the_same_cluster_once_there_are_some() -> None:
    sampler = Negatives(WORDS, CANDIDATES, 9, only(cluster=1))
    assert drawn(sampler, 0) == {0, 1, 2, 3}
    sampler.regroup(np.array([1, 2, 1, 0, 2]))
    assert drawn(sampler, 0) == {0, 2}
    assert drawn(sampler, 4) == {1}
    assert drawn(sampler, 3) == {0, 1, 2, 3}
    sampler.regroup(np.array([1, 1, 2, 2, 2]))
    assert drawn(sampler, 0) == {0, 1}


def test_all_five_kinds_by_their_shares() -> None:
    words = np.array([[3, 4], [3, 9], [5, 4], [6, 9], [7, 9], [8, 9]])  # 0 shares its first word, its last, …
    sampler = Negatives(
        words, np.arange(1, 6), 10, NegativesConfig(shared_word=0, last_word=2, box_label=3, cluster=4, random=1),
        np.array([[1], [2], [2], [1], [2], [2]]),
    )  # fmt: skip
    sampler.regroup(np.array([1, 2, 2, 2, 1, 2]))
    found = np.bincount(sampler.draw(np.zeros(20_000, int), torch.Generator().manual_seed(0)), minlength=6) / 20_000
    np.testing.assert_allclose(found, [0, 0.02, 0.22, 0.32, 0.42, 0.02], atol=0.02)


def test_shares_that_make_no_mixture_are_refused() -> None:
    with pytest.raises(UserError, match=r"--negatives\.box-label 0\.5: posts have no boxes"):
        Negatives(WORDS, CANDIDATES, 9, NegativesConfig(box_label=0.5))
    for config in (only(), only(cluster=-1.0, random=2), only(random=float("nan"))):
        with pytest.raises(UserError, match="must not be negative, and one must be positive"):
            Negatives(WORDS, CANDIDATES, 9, config)
    with pytest.raises(UserError, match="1 or more"):
        Negatives(WORDS, CANDIDATES, 9, NegativesConfig(clusters=0))


def test_clusters_find_the_groups_and_are_the_same_again() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 4, 400)
    vectors = (np.eye(4, 8)[group] + rng.normal(0, 0.05, (400, 8))).astype(np.float32)
    found = cluster_numbers(vectors, 4, seed=0)
    assert len(np.unique(found)) == 4
    assert all(len(np.unique(found[group == g])) == 1 for g in range(4))
    np.testing.assert_array_equal(found, cluster_numbers(vectors, 4, seed=0))
    assert cluster_numbers(vectors[:20], 256, seed=0).max() < 20 // 8  # not more than the pictures allow


def test_clusters_are_made_anew_and_kept_within_an_epoch() -> None:
    images = np.repeat(np.array([0, 255], np.uint8), 16)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(channels=(8,), heads=3, dim=8))
    words, posts = np.full((32, 1), 3), np.arange(32)
    sampler = Negatives(words, posts, 4, only(cluster=1))
    alone = World(0, 1, 0, torch.device("cpu"))
    clusters = Clusters(sampler, PixelPictures(images), posts, posts, alone, seed=0)
    clusters.renew(encoder, begun=False)
    assert drawn(sampler, 0) <= set(range(16))  # dark with dark, light with light
    assert drawn(sampler, 31) <= set(range(16, 32))
    kept = {"number_M": torch.arange(32) % 2}
    clusters.load_state_dict(kept)
    clusters.renew(encoder, begun=True)  # as after a checkpoint in the middle of an epoch
    assert drawn(sampler, 0) == set(range(0, 32, 2))


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
