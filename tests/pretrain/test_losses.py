import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from pretrain.captions import CaptionLoss, caption_tokens
from pretrain.tag_metrics import average_precision, best_threshold, decide, f1_scores, tag_metrics, tag_table
from pretrain.tags import TagLoss
from pretrain.vocabulary import BEGIN, END, PAD
from stylecast.shapes import MULTIPLE

HALF = np.full(6, 0.5, np.float32)  # log odds 0: the bias drops out


def tag_loss(negatives: int, rates: np.ndarray = HALF, balance: float = 0.0) -> TagLoss:
    table = np.zeros((6, 2), np.float32)
    table[3:] = [[1, 0], [0, 1], [-1, 0]]
    return TagLoss(table, rates, negatives, balance)


HEADS = torch.tensor([[[9.0, 9.0], [2.0, 0.0], [0.0, 1.0]]])  # head 0 must not matter


def test_logit_is_the_best_of_the_word_heads() -> None:
    assert tag_loss(1).logits(HEADS)[0, 3:].tolist() == [2, 1, 0]


def test_tag_loss_by_hand() -> None:
    # Tag 4 has logit 1; of the negatives 3 (logit 2) and 5 (logit 0) the hardest is 3.
    expected = math.log1p(math.exp(-1)) + math.log1p(math.exp(2))
    assert tag_loss(1)(HEADS, torch.tensor([[4, PAD]])).item() == pytest.approx(expected, rel=1e-6)
    # Two tags: the sum is divided by two, and 5 is the only negative that is left.
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2)) + math.log(2)) / 2
    assert tag_loss(3)(HEADS, torch.tensor([[4, 3]])).item() == pytest.approx(expected, rel=1e-6)


def test_tag_loss_of_all_negatives_is_the_plain_cross_entropy() -> None:
    loss = tag_loss(100)
    truth = torch.tensor([[0.0, 1.0, 0.0]])
    plain = torch.nn.functional.binary_cross_entropy_with_logits(loss.logits(HEADS)[:, 3:], truth, reduction="sum")
    assert loss(HEADS, torch.tensor([[4, PAD, PAD]])).item() == pytest.approx(plain.item(), rel=1e-6)


def test_only_chosen_words_get_a_gradient() -> None:
    loss = tag_loss(1)
    loss(HEADS, torch.tensor([[4, PAD]])).backward()
    assert loss.table_VD.grad is not None
    assert (loss.table_VD.grad != 0).any(dim=1).tolist() == [False, False, False, True, True, False]


def test_gradients_are_built_for_the_chosen_words_only() -> None:
    batch, heads, dim, words, tags, negatives = 8, 3, 16, 20_000, 4, 10
    rates = np.full(words, 0.01, np.float32)
    loss = TagLoss(np.random.default_rng(0).normal(size=(words, dim)).astype(np.float32), rates, negatives, 0.5)
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    drawn = torch.randint(3, words, (batch, tags))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss(torch.randn(batch, heads, dim, requires_grad=True), drawn)
    chosen = tags + negatives
    # What the backward pass needs is as large as the chosen words' vectors; B×V alone would be 40 times that.
    assert max(tensor.numel() for tensor in kept) <= (batch * chosen + MULTIPLE) * dim < batch * words / 40
    value.backward()
    assert loss.table_VD.grad is not None
    touched = (loss.table_VD.grad != 0).any(dim=1)
    assert touched[drawn].all()
    assert int(touched.sum()) <= batch * chosen


def test_the_chosen_words_gradient_is_that_of_the_whole_vocabulary() -> None:
    truth = torch.tensor([[0.0, 1.0, 0.0]])
    loss = tag_loss(100)
    loss(HEADS, torch.tensor([[4, PAD]])).backward()
    few, loss.table_VD.grad = loss.table_VD.grad, None
    torch.nn.functional.binary_cross_entropy_with_logits(loss.logits(HEADS)[:, 3:], truth, reduction="sum").backward()
    torch.testing.assert_close(few, loss.table_VD.grad)


def test_balance_counts_rare_words_more_but_keeps_the_mean() -> None:
    rates = np.array([0.5, 0.5, 0.5, 0.64, 0.16, 0.04], np.float32)
    weight = tag_loss(1, rates, balance=0.5).weight_V[3:].numpy()
    np.testing.assert_allclose(weight[1] / weight[0], 2, rtol=1e-5)
    np.testing.assert_allclose(weight[2] / weight[0], 4, rtol=1e-5)
    np.testing.assert_allclose((weight * rates[3:]).sum(), rates[3:].sum(), rtol=1e-5)


def test_caption_tokens() -> None:
    tokens = caption_tokens([[3, 9, 4], [5] * 9, []], width=4, words_known=8)
    assert tokens.tolist() == [[3, 4, END, PAD], [5, 5, 5, END], [END, PAD, PAD, PAD]]


def test_caption_loss_by_hand() -> None:
    rates = np.array([0.1, 0.1, 0.2, 0.4, 0.4], np.float32)
    loss = CaptionLoss(np.zeros((5, 2), np.float32), rates)
    # With zero vectors only the bias speaks: the rates, but 1 for the end mark, scaled to sum to one.
    tokens = torch.tensor([[3, END, PAD], [END, PAD, PAD]])
    expected = ((-math.log(0.2) - math.log(0.5)) / 2 - math.log(0.5)) / 2
    assert loss(torch.randn(2, 2), tokens).item() == pytest.approx(expected, rel=1e-5)


def grown(loss: torch.nn.Module, value: torch.Tensor) -> list[torch.Tensor]:
    loss.zero_grad()
    value.backward()
    return [p.grad.clone() for p in loss.parameters() if p.grad is not None]


def test_what_fills_up_a_batch_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    table, rates = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32), np.full(9, 0.1, np.float32)
    captions, tags = CaptionLoss(table, rates, hidden_words=0.0), TagLoss(table, rates, 2, 0.5)
    heads, tokens = torch.randn(3, 2, 4), torch.tensor([[3, 8, END], [END, PAD, PAD], [4, END, PAD]])

    def learnt() -> list[torch.Tensor]:
        return grown(captions, captions(heads[:, 0], tokens)) + grown(tags, tags(heads, tokens.clamp(min=3)))

    filled = learnt()
    monkeypatch.setattr("stylecast.shapes.MULTIPLE", 1)
    torch.testing.assert_close(filled, learnt())


def test_captions_of_many_lengths_make_few_shapes() -> None:
    loss = CaptionLoss(np.zeros((5, 2), np.float32), np.full(5, 0.1, np.float32))
    rows = set[int]()
    loss.out.register_forward_hook(lambda _, given, __: rows.add(len(given[0])))
    for words in range(1, 130):
        loss(torch.zeros(words, 2), torch.tensor([[3, END, PAD]] * words))
    assert rows == {64, 128, 192, 256, 320}


def test_a_caption_depends_on_earlier_words_and_the_picture_only() -> None:
    torch.manual_seed(0)
    loss = CaptionLoss(
        np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), np.full(8, 0.1, np.float32)
    ).eval()
    sentence = torch.randn(1, 4)

    def first_two(third: int, seed: torch.Tensor) -> torch.Tensor:
        return loss.token_losses(seed, torch.tensor([[3, 4, third]]))[0][:2].detach()

    torch.testing.assert_close(first_two(5, sentence), first_two(6, sentence))
    assert not torch.allclose(first_two(5, sentence), first_two(5, sentence + 1))


def test_hidden_words_are_a_matter_of_training_only() -> None:
    loss = CaptionLoss(np.eye(5, dtype=np.float32), np.full(5, 0.2, np.float32), hidden_words=1.0)
    tokens, sentence = torch.tensor([[3, 4, END]]), torch.randn(1, 5)
    begin = torch.tensor([[3, BEGIN, END]])
    assert not torch.allclose(loss(sentence, tokens), loss.eval()(sentence, tokens))
    assert loss.token_losses(sentence, begin)[0].isfinite().all()


def test_average_precision_by_hand() -> None:
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    truth = np.array([[True], [False], [True], [False]])
    assert average_precision(scores, truth)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(average_precision(scores, np.zeros_like(truth))[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_metrics_agree_with_scikit_learn(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.normal(size=(rows, 3)), rng.random((rows, 3)) < 0.4
    truth[0] = True
    for column in range(3):
        expected = average_precision_score(truth[:, column], scores[:, column])
        assert average_precision(scores, truth)[column] == pytest.approx(expected)
    predicted = scores > 0
    micro, macro = f1_scores(predicted, truth)
    assert micro == pytest.approx(f1_score(truth, predicted, average="micro", zero_division=0))
    assert macro == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))


def test_best_threshold_is_as_good_as_any() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((30, 2)) < 0.4
    scores = rng.normal(size=(30, 2)) + truth
    found = f1_scores(scores >= best_threshold(scores, truth), truth)[0]
    assert found >= max(f1_scores(scores >= t, truth)[0] for t in np.quantile(scores, np.linspace(0, 1, 40))) - 0.02


def test_perfect_scores_are_perfect() -> None:
    truth = np.random.default_rng(0).random((40, 3)) < 0.3
    told = tag_metrics(truth * 2.0 - 1, truth)
    assert told == pytest.approx(dict.fromkeys(told, 1.0))


def test_tag_table_by_hand() -> None:
    scores = np.array([[0.9, 0.9, 0.1], [0.8, 0.8, 0.1], [0.1, 0.7, 0.1], [0.1, 0.1, 0.1]])
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    # Even rows take the threshold that is best on odd ones (0.8), and odd rows that of even ones (0.7).
    assert decide(scores, truth).astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    table = tag_table(scores, truth, ["红", "圆", "方"])
    assert table["word"].tolist() == ["红", "圆", "方"]
    assert table["count"].tolist() == [2, 2, 0]
    assert table["average_precision"].tolist() == pytest.approx([1, (1 / 2 + 2 / 3) / 2, np.nan], nan_ok=True)
    assert table["precision"].tolist() == pytest.approx([1, 1 / 2, np.nan], nan_ok=True)
    assert table["recall"].tolist() == pytest.approx([1, 1 / 2, np.nan], nan_ok=True)
    assert table["f1"].tolist() == pytest.approx([1, 1 / 2, np.nan], nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_tag_table_sums_up_to_the_metrics(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((30, 4)) < 0.3
    scores = rng.normal(size=(30, 4)) + truth
    table, told = tag_table(scores, truth, list("甲乙丙丁")), tag_metrics(scores, truth)
    assert table["average_precision"].mean() == pytest.approx(told["tag_map"])
    assert table["f1"].mean() == pytest.approx(told["tag_macro_f1"])
