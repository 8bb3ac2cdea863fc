from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pretrain.examples import encode_words
from pretrain.vocabulary import FIRST_WORD, MARKS, Vocabulary, VocabularyConfig, pad
from pretrain.word_vectors import presence, word_vectors
from stylecast.errors import UserError

TEXTS = [["红", "红", "圆"], ["红", "方"], ["圆", "方"], ["红"], []]


def test_words_are_counted_once_a_post_and_sorted_by_count_then_name() -> None:
    vocabulary = Vocabulary.build(TEXTS, VocabularyConfig(min_count=1))
    assert vocabulary.words == (*MARKS, "红", "圆", "方")
    assert vocabulary.counts == (0, 0, 0, 3, 2, 2)
    assert vocabulary.posts == 4  # the silent post is none that a word could be missing from


def test_cut_offs() -> None:
    texts = [["常", f"稀{n}"] for n in range(50)] + [["中"]] * 3
    vocabulary = Vocabulary.build(texts, VocabularyConfig(min_count=2, max_share=0.5))
    assert vocabulary.words[FIRST_WORD:] == ("中",)
    kept = Vocabulary.build(TEXTS, VocabularyConfig(min_count=1, max_words=1))
    assert kept.words[FIRST_WORD:] == ("红",)


def test_no_word_left_is_the_users_error() -> None:
    with pytest.raises(UserError, match="min-count"):
        Vocabulary.build([["一"], ["二"]], VocabularyConfig(min_count=2))


def test_save_and_load(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build(TEXTS, VocabularyConfig(min_count=1))
    vocabulary.save(tmp_path)
    assert Vocabulary.load(tmp_path) == vocabulary
    with pytest.raises(UserError, match="missing"):
        Vocabulary.load(tmp_path / "elsewhere")


def test_encode_leaves_unknown_words_out() -> None:
    vocabulary = Vocabulary.build(TEXTS, VocabularyConfig(min_count=1))
    assert vocabulary.encode(["方", "外", "红", "方"]) == [5, 3, 5]
    assert vocabulary.unknown(["方", "外"]) == ["外"]


def test_marks_are_no_words() -> None:
    vocabulary = Vocabulary.build([["<pad>", "红"]] * 3, VocabularyConfig())
    assert vocabulary.encode(["<begin>", "<end>"]) == []


def test_pad() -> None:
    assert pad([[4, 5, 6], [7], []], 2).tolist() == [[4, 5], [7, 0], [0, 0]]


def test_a_long_text_keeps_stressed_words_then_the_first_ones_in_text_order() -> None:
    vocabulary = Vocabulary.build([["a", "b", "c", "d", "e"]] * 2, VocabularyConfig())
    table = pd.DataFrame({"title": ["说 D"], "hashtags": ["e"], "words": ["a b b c d e a"]})
    words = encode_words(table, vocabulary, 3)
    names = [vocabulary.words[n] for n in words.words_PW[0]]
    assert names == ["a", "d", "e"]
    assert words.stressed_PW.tolist() == [[False, True, True]]


def test_presence() -> None:
    assert presence(np.array([[3, 4], [4, 0]]), 5).toarray().tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]


def test_words_that_keep_company_start_side_by_side() -> None:
    # Words 3-6 share posts, and 7-10; word 11 stands everywhere.
    rng = np.random.default_rng(0)
    groups = [rng.choice(np.arange(3, 7) + 4 * (n % 2), 3, replace=False) for n in range(200)]
    words_PW = np.column_stack([np.array(groups), np.full(200, 11)])
    vectors_VD = word_vectors(words_PW, 12, 8, seed=0)
    cosine = vectors_VD @ vectors_VD.T / np.outer(*[np.linalg.norm(vectors_VD, axis=1)] * 2)
    assert cosine[3, 4:7].min() > cosine[3, 7:11].max() + 0.2
    length_V = np.linalg.norm(vectors_VD, axis=1)
    assert length_V[11] < length_V[3:11].min() / 2
    assert np.isclose((length_V[3:] ** 2).mean(), 1, atol=0.1)


def test_word_vectors_do_not_depend_on_the_order_of_posts() -> None:
    rng = np.random.default_rng(1)
    words_PW = np.sort(np.stack([rng.choice(np.arange(3, 20), 4, replace=False) for _ in range(100)]), axis=1)
    first = word_vectors(words_PW, 20, 6, seed=0)
    second = word_vectors(words_PW[::-1], 20, 6, seed=0)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_word_vectors_of_words_without_company() -> None:
    vectors_VD = word_vectors(np.array([[3], [4]]), 5, 4, seed=0)
    assert np.isfinite(vectors_VD).all()
    assert not np.allclose(vectors_VD[3], vectors_VD[4])
