import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pretrain.vocabulary import PAD
from recall.losses import allowed_negatives, holds_all, margin_loss, sampled_margin_loss, sigmoid_loss, softmax_loss
from recall.matchers import Query, TextEncoder, sentence_scores, word_scores, word_weights


def text_encoder(words: int = 12, dim: int = 8) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(torch.randn(words, dim)).eval()


QUERIES = torch.tensor([[3, 4, 5, PAD], [6, PAD, PAD, PAD], [PAD, PAD, PAD, PAD]])


def test_word_weights_sum_to_one_and_padding_has_none() -> None:
    heads = torch.randn(5, 3, 8)
    weights = word_weights(text_encoder()(QUERIES), heads)
    assert weights.shape == (3, 4, 5)
    torch.testing.assert_close(weights[:2].sum(dim=1), torch.ones(2, 5))
    assert (weights[0, 3] == 0).all()
    torch.testing.assert_close(weights[1, 0], torch.ones(5))
    assert (weights[2] == 0).all()


def test_padding_changes_nothing() -> None:
    encoder, heads = text_encoder(), torch.randn(5, 3, 8)
    narrow, wide = encoder(QUERIES), encoder(torch.nn.functional.pad(QUERIES, (0, 6)))
    torch.testing.assert_close(word_scores(narrow, heads), word_scores(wide, heads))
    torch.testing.assert_close(sentence_scores(narrow, heads), sentence_scores(wide, heads))


def test_a_query_without_words_scores_zero() -> None:
    query, heads = text_encoder()(QUERIES), torch.randn(5, 3, 8)
    assert (word_scores(query, heads)[2] == 0).all()
    assert (sentence_scores(query, heads)[2] == 0).all()
    assert query.sentence_QD[:2].norm(dim=-1).tolist() == pytest.approx([1, 1])


def test_no_queries_and_no_pictures() -> None:
    query, heads = text_encoder()(QUERIES), torch.randn(5, 3, 8)
    assert word_scores(query, heads[:0]).shape == (3, 0)
    assert word_scores(query.part(slice(0)), heads).shape == (0, 5)
    assert word_weights(query.part(slice(0)), heads).shape == (0, 4, 5)


def test_word_score_by_hand() -> None:
    # Two words with weights 3/4 and 1/4: the state alone leans by log 3, head 0 asks for nothing.
    query = Query(
        words_QWD=torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), keys_QWD=torch.zeros(1, 2, 2),
        lean_QW=torch.tensor([[math.log(3), 0.0]]), sentence_QD=torch.tensor([[1.0, 0.0]]),
    )  # fmt: skip
    heads = torch.tensor([[[7.0, 7.0], [2.0, 0.0], [1.0, 5.0]], [[3.0, 4.0], [-1.0, -2.0], [-3.0, -1.0]]])
    assert word_scores(query, heads)[0].tolist() == pytest.approx([0.75 * 2 + 0.25 * 5, -0.75 - 0.25])
    assert sentence_scores(query, heads)[0].tolist() == pytest.approx([math.sqrt(0.5), 0.6])


def test_head_0_moves_the_weights() -> None:
    query = Query(torch.zeros(1, 2, 2), torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]), torch.zeros(1, 2), torch.zeros(1, 2))
    heads = torch.tensor([[[5.0, 0.0], [0.0, 0.0]], [[0.0, 5.0], [0.0, 0.0]]])
    weights = word_weights(query, heads)[0]
    expected = math.exp(2) / (math.exp(2) + 1)
    np.testing.assert_allclose(weights, [[expected, 1 - expected], [1 - expected, expected]], rtol=1e-6)


def test_word_scores_against_the_slow_way() -> None:
    query, heads = text_encoder()(QUERIES), torch.randn(5, 3, 8)
    weights = word_weights(query, heads)
    for q in range(2):
        for n in range(5):
            slow = sum(
                weights[q, w, n].item() * max((query.words_QWD[q, w] @ heads[n, h]).item() for h in (1, 2))
                for w in range(4)
            )
            assert word_scores(query, heads)[q, n].item() == pytest.approx(slow, abs=1e-5)


SCORES = torch.tensor([[3.0, 2.5, 0.0, 2.9], [1.0, 0.5, 2.0, 0.0]])
RIGHT = torch.tensor([0, 1])
ALLOWED = torch.tensor([[False, True, True, False], [True, False, True, True]])


def test_margin_loss_by_hand() -> None:
    # Row 0: wrong 2.5 costs 0.5, 2.9 is masked. Row 1: 1.0 costs 1.5, 2.0 costs 2.5, 0.0 costs 0.5.
    assert margin_loss(SCORES, RIGHT, ALLOWED, 1.0, hardest=1).item() == pytest.approx((0.5 + 2.5) / 2)
    assert margin_loss(SCORES, RIGHT, ALLOWED, 1.0, hardest=2).item() == pytest.approx((0.25 + 2.0) / 2)


def test_sampled_margin_loss_by_hand() -> None:
    assert sampled_margin_loss(SCORES, RIGHT, torch.tensor([1, 3]), ALLOWED, 1.0).item() == pytest.approx(0.5)
    assert sampled_margin_loss(SCORES, RIGHT, torch.tensor([3, 3]), ALLOWED, 1.0).item() == pytest.approx(0.25)


def test_sigmoid_loss_by_hand() -> None:
    scale, bias = torch.tensor(2.0), torch.tensor(-1.0)

    def cost(cosine: float, sign: int) -> float:
        return math.log1p(math.exp(-sign * (2 * cosine - 1)))

    rows = [[(3.0, 1), (2.5, -1), (0.0, -1)], [(1.0, -1), (0.5, 1), (2.0, -1), (0.0, -1)]]
    expected = sum(cost(*pair) for row in rows for pair in row) / 2
    assert sigmoid_loss(SCORES, RIGHT, ALLOWED, scale, bias).item() == pytest.approx(expected, rel=1e-6)


def test_softmax_loss_by_hand() -> None:
    rows = [(3.0, [3.0, 2.5, 0.0]), (0.5, [1.0, 0.5, 2.0, 0.0])]  # the right one; it and what counts as wrong
    expected = sum(math.log(sum(math.exp(2 * c) for c in columns)) - 2 * right for right, columns in rows) / 2
    assert softmax_loss(SCORES, RIGHT, ALLOWED, torch.tensor(2.0)).item() == pytest.approx(expected, rel=1e-6)
    alone = softmax_loss(SCORES, RIGHT, torch.zeros_like(ALLOWED), torch.tensor(2.0))
    assert alone.item() == 0  # nothing to be told from


def test_false_negatives_are_masked() -> None:
    #                     post text family
    ids = torch.tensor([[1, 10, 100], [1, 10, 101], [2, 10, 102], [3, 11, 100], [4, 12, 103]])
    allowed = allowed_negatives(ids, ids)
    assert allowed[0].tolist() == [False, False, False, False, True]
    assert allowed[4].tolist() == [True, True, True, True, False]
    assert (allowed == allowed.T).all()


def test_a_post_that_says_it_all_is_no_wrong_answer() -> None:
    posts = torch.tensor([[3, 4, 5], [4, 6, PAD], [PAD, PAD, PAD]])
    queries = torch.tensor([[4, PAD], [3, 5], [4, 7], [PAD, PAD]])
    expected = [[True, True, False, False], [True, False, False, False], [False] * 4]
    assert holds_all(posts, queries, 8).tolist() == expected


@pytest.mark.parametrize("chunk", [0, 3])
def test_two_processes_follow_one(tmp_path: Path, chunk: int) -> None:
    program = Path(__file__).with_name("gathered.py")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    one = [sys.executable, str(program), str(tmp_path / "one.pt"), "0"]
    spread = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command in (one, [*spread, str(program), str(tmp_path / "two.pt"), str(chunk)]):
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
    whole, halves = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    assert whole.keys() == halves.keys()
    for name in whole:
        torch.testing.assert_close(whole[name], halves[name], atol=1e-5, rtol=1e-4)
