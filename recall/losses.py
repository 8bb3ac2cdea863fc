"""The losses of recall, each over rows of scores in which one column is right.

A row is a query against all pictures of the batch (of all ranks), or a picture against all queries.

Shapes: B rows (pairs of this rank), A columns (pairs of all ranks).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from pretrain.vocabulary import PAD


def allowed_negatives(ids_BK: Tensor, ids_AK: Tensor) -> Tensor:
    """Which columns may count as wrong for a row: those that share no id with it.

    Args:
        ids_BK: ids of each row's pair: post, text, picture family.
        ids_AK: those of each column's.

    Returns:
        bool B×A; false for the row's own pair, the same post, the same text and near-duplicate pictures.
    """
    return (ids_BK[:, None, :] != ids_AK[None, :, :]).all(dim=-1)


def holds_all(words_BK: Tensor, queries_AK: Tensor, size: int) -> Tensor:
    """Whether the post of each row holds every word of each column's query.

    A picture of a post that says all that a query says is no wrong answer to it, whoever the query was made
    from: with queries of one or two words, most of the batch's fruit would else be pushed away from "fruit".

    Args:
        words_BK: distinct words of the rows' posts, padded with 0.
        queries_AK: distinct words of the columns' queries, padded with 0.
        size: of the vocabulary.

    Returns:
        bool B×A; false for a query without words.
    """
    ones = torch.ones((), device=words_BK.device)
    present_BV = ones.new_zeros(len(words_BK), size).scatter_(1, words_BK, 1.0)
    asked_AV = ones.new_zeros(len(queries_AK), size).scatter_(1, queries_AK, 1.0)
    asked_AV[:, PAD] = 0.0
    asked_A = asked_AV.sum(dim=1)
    with torch.autocast(words_BK.device.type, enabled=False):  # counts must be exact
        return (present_BV @ asked_AV.T == asked_A) & (asked_A > 0)


def margin_loss(scores_BA: Tensor, right_B: Tensor, allowed_BA: Tensor, margin: float, hardest: int) -> Tensor:
    """Pairwise margin ranking against the hardest columns (as in VSE++, Faghri et al. 2018).

    Mean over rows of the mean over the `hardest` highest wrong columns of max(0, margin - right + wrong).
    Where labels are noisy the very hardest is often a right one that nobody named, so a few share the blame.

    Args:
        scores_BA: larger is better.
        right_B: the right column of each row.
        allowed_BA: which columns count as wrong.
        margin: by how much the right one should win.
        hardest: how many columns; 1 = the hardest alone.
    """
    right_B1 = scores_BA.gather(1, right_B[:, None])
    cost_BA = (margin - right_B1 + scores_BA).clamp(min=0) * allowed_BA
    return cost_BA.topk(min(hardest, cost_BA.shape[1]), dim=1).values.mean()


def sampled_margin_loss(
    scores_BA: Tensor, right_B: Tensor, wrong_B: Tensor, allowed_BA: Tensor, margin: float
) -> Tensor:
    """Pairwise margin ranking against one sampled column a row; zero where that column is not allowed."""
    right = scores_BA.gather(1, right_B[:, None])
    wrong = scores_BA.gather(1, wrong_B[:, None])
    return ((margin - right + wrong).clamp(min=0) * allowed_BA.gather(1, wrong_B[:, None])).mean()


def sigmoid_loss(cosine_BA: Tensor, right_B: Tensor, allowed_BA: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Pointwise sigmoid loss (SigLIP, Zhai et al. 2023): mean over rows of the sum over columns.

    -log σ(z (scale · cosine + bias)), z = 1 for the right column, -1 for the allowed others.
    """
    logits_BA = cosine_BA * scale + bias
    is_right_BA = torch.zeros_like(allowed_BA).scatter_(1, right_B[:, None], True)
    cost_BA = -F.logsigmoid(torch.where(is_right_BA, logits_BA, -logits_BA))
    return (cost_BA * (allowed_BA | is_right_BA)).sum(dim=1).mean()


def softmax_loss(cosine_BA: Tensor, right_B: Tensor, allowed_BA: Tensor, scale: Tensor) -> Tensor:
    """Listwise softmax loss (InfoNCE, van den Oord et al. 2018; as in CLIP): mean over rows.

    -log of the share that the right column has of Σ exp(scale · cosine) over itself and the allowed columns.
    """
    is_right_BA = torch.zeros_like(allowed_BA).scatter_(1, right_B[:, None], True)
    logits_BA = (cosine_BA * scale).masked_fill(~(allowed_BA | is_right_BA), -torch.inf)
    return F.cross_entropy(logits_BA, right_B)
