"""Beam search on a toy language small enough to count out, and captions of the decoder."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from pretrain.beam import BeamConfig, beam_search
from pretrain.captions import CaptionLoss
from pretrain.reports import bleu_of, words_of
from pretrain.vocabulary import BEGIN, END, MARKS, PAD, Vocabulary

A, B, C = 3, 4, 5


def language(rows: dict[int, dict[int, float]]) -> Tensor:
    """Log probabilities of the next word after each word."""
    table_VV = torch.full((6, 6), 0.0)
    for before, after in rows.items():
        for word, probability in after.items():
            table_VV[before, word] = probability
    return table_VV.log()


# Greedy begins with A (0.6), whose best end is worth 0.6 × 0.4 = 0.24; B C ends at 0.4 × 0.9 × 1 = 0.36.
TRAP = language({BEGIN: {A: 0.6, B: 0.4}, A: {END: 0.4, B: 0.3, C: 0.3}, B: {C: 0.9, END: 0.1}, C: {END: 1.0}})


def write(table_VV: Tensor, config: BeamConfig, places: int = 5, count: int = 1) -> tuple[list[list[int]], list[float]]:
    def step(before_M: Tensor, state_M: Tensor) -> tuple[Tensor, Tensor]:
        return table_VV[before_M], state_M

    found = beam_search(step, torch.zeros(count, 1), places, config)
    return found.tokens_BT.tolist(), found.log_probability_B.exp().tolist()


def test_beam_is_right_where_greedy_is_wrong() -> None:
    tokens, probability = write(TRAP, BeamConfig(width=1, length_power=0))
    assert tokens == [[A, END, PAD, PAD, PAD]]
    assert probability == pytest.approx([0.24])
    tokens, probability = write(TRAP, BeamConfig(width=2, length_power=0))
    assert tokens == [[B, C, END, PAD, PAD]]
    assert probability == pytest.approx([0.36])


def test_length_counts_by_its_power() -> None:
    table = language({BEGIN: {A: 0.5, B: 0.5}, A: {END: 0.5, C: 0.5}, B: {END: 0.6, C: 0.4}, C: {END: 0.9, A: 0.1}})
    # B: 0.5 × 0.6 = 0.30 in two steps; A C: 0.5 × 0.5 × 0.9 = 0.225 in three. Per step: √0.30 = 0.548, ∛0.225 = 0.608.
    assert write(table, BeamConfig(width=4, length_power=0))[0] == [[B, END, PAD, PAD, PAD]]
    assert write(table, BeamConfig(width=4, length_power=1))[0] == [[A, C, END, PAD, PAD]]


def test_a_wide_beam_finds_the_best_of_all_sequences() -> None:
    generator = torch.Generator().manual_seed(3)
    table = torch.rand(6, 6, generator=generator).log()
    best = -np.inf
    for length in range(1, 4):
        for words in product((A, B, C), repeat=length):
            path = [BEGIN, *words, END]
            best = max(best, sum(float(table[a, b]) for a, b in pairwise(path)))
    _, probability = write(table, BeamConfig(width=60, length_power=0, repeat_pairs=True), places=4)
    assert np.log(probability[0]) == pytest.approx(best, rel=1e-5)


def test_every_caption_ends_within_its_places_and_holds_no_other_mark() -> None:
    endless = language({BEGIN: {A: 1.0}, A: {A: 0.999, END: 0.001}})
    assert write(endless, BeamConfig(width=1, repeat_pairs=True), places=4)[0] == [[A, A, A, END]]
    marks = language({BEGIN: {PAD: 0.5, BEGIN: 0.4, A: 0.1}, A: {PAD: 0.9, END: 0.1}})
    assert write(marks, BeamConfig(width=3), places=4)[0] == [[A, END, PAD, PAD]]
    silent = language({BEGIN: {END: 0.99, A: 0.01}, A: {END: 1.0}})
    assert write(silent, BeamConfig(width=3), places=4)[0] == [[A, END, PAD, PAD]]


def test_no_pair_of_words_stands_twice() -> None:
    loop = language({BEGIN: {A: 1.0}, A: {B: 0.9, C: 0.09, END: 0.01}, B: {A: 0.95, END: 0.05}, C: {END: 0.6, A: 0.4}})
    assert write(loop, BeamConfig(width=1, repeat_pairs=True), places=7)[0] == [[A, B, A, B, A, B, END]]
    # After A B A the pair A B is spent, so C follows.
    tokens, probability = write(loop, BeamConfig(width=1), places=7)
    assert tokens == [[A, B, A, C, END, PAD, PAD]]
    assert probability == pytest.approx([0.9 * 0.95 * 0.09 * 0.6])  # that of the model: nothing is scaled up


def test_a_batch_writes_what_each_writes_alone() -> None:
    tables = torch.stack([torch.rand(6, 6, generator=torch.Generator().manual_seed(s)).log() for s in range(5)])

    def step(before_M: Tensor, state_M: Tensor) -> tuple[Tensor, Tensor]:
        return tables[state_M[:, 0].long(), before_M], state_M

    together = beam_search(step, torch.arange(5.0)[:, None], 5, BeamConfig(width=3)).tokens_BT
    alone = [write(tables[n], BeamConfig(width=3))[0][0] for n in range(5)]
    assert together.tolist() == alone


@pytest.fixture
def decoder() -> CaptionLoss:
    torch.manual_seed(0)
    table = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    return CaptionLoss(table, np.full(12, 0.1, np.float32)).eval()


def test_a_beam_of_one_is_greedy(decoder: CaptionLoss) -> None:
    sentence, places = torch.randn(7, 8), 6
    written = decoder.write(sentence, places, BeamConfig(width=1, repeat_pairs=True)).tokens_BT
    # The slow way: the likeliest next word by the loss of every possible one.
    for row in range(7):
        words: list[int] = []
        while len(words) < places and END not in words:
            allowed = range(END if words else END + 1, 12) if len(words) < places - 1 else [END]
            said = [torch.tensor([[*words, n]]) for n in allowed]
            costs = [decoder.token_losses(sentence[row : row + 1], tokens)[0][-1].item() for tokens in said]
            words.append(allowed[int(np.argmin(costs))])
        assert written[row].tolist() == words + [PAD] * (places - len(words))


def test_the_log_probability_is_that_of_the_loss(decoder: CaptionLoss) -> None:
    sentence = torch.randn(5, 8)
    written = decoder.write(sentence, 6, BeamConfig(width=4))
    losses, caption = decoder.token_losses(sentence, written.tokens_BT)
    expected = torch.zeros(5).index_add(0, caption, -losses)
    torch.testing.assert_close(written.log_probability_B, expected, atol=1e-4, rtol=1e-4)


def test_a_caption_does_not_depend_on_the_batch(decoder: CaptionLoss) -> None:
    sentence = torch.randn(9, 8)
    whole = decoder.write(sentence, 6, BeamConfig())
    for row in (0, 8):
        alone = decoder.write(sentence[row : row + 1], 6, BeamConfig())
        assert torch.equal(alone.tokens_BT[0], whole.tokens_BT[row])
        assert torch.equal(alone.log_probability_B[0], whole.log_probability_B[row])


def test_words_of_captions_leave_the_marks_out() -> None:
    vocabulary = Vocabulary((*MARKS, "红", "圆"), (0, 0, 0, 2, 1), 2)
    assert words_of(np.array([[4, 3, END, PAD], [END, PAD, PAD, PAD]]), vocabulary) == [["圆", "红"], []]


def test_bleu() -> None:
    each, whole = bleu_of([["红", "圆", "小", "裙"], ["蓝"]], [["红", "圆", "小", "裙"], ["绿"]])
    assert each.tolist() == pytest.approx([100, 0])
    assert 0 < whole < 100
    assert bleu_of([["红", "圆", "小", "裙"]], [["红", "圆", "小", "裙"]])[1] == pytest.approx(100)
    # Three of four words, two of three pairs, one of two triples, and no run of four (smoothed to 1/2 of one).
    expected = 100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25
    assert bleu_of([["红", "圆", "小", "裙"]], [["红", "圆", "小", "包"]])[0][0] == pytest.approx(expected)


def test_the_run_folder_tells_tags_and_captions(pretrain_run: Path) -> None:
    tags, captions = pd.read_csv(pretrain_run / "tags.csv"), pd.read_csv(pretrain_run / "captions.csv")
    assert list(tags.columns) == ["word", "count", "average_precision", "precision", "recall", "f1"]
    precision = tags.set_index("word")["average_precision"]
    assert precision[["红色", "绿色", "蓝色"]].min() > precision[["天气", "咖啡", "公园"]].max()  # seen, and not seen
    assert list(captions.columns) == ["picture_id", "truth", "written", "log_probability", "bleu"]
    said, true = (captions[c].str.extract("(红色|绿色|蓝色)")[0] for c in ("written", "truth"))
    assert (said == true)[said.notna()].mean() > 0.8  # a colour that is named is the picture's
    assert captions["bleu"].between(0, 100).all()
