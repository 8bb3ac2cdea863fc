"""The tag loss: which words of the vocabulary does the post of this picture hold?

Shapes: B pictures, H heads, D dimensions, V vocabulary, W words of a post (padded), K chosen negatives,
C = W + K chosen words, U different ones of a batch.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.vocabulary import FIRST_WORD, PAD
from stylecast.amax import amax
from stylecast.shapes import filled_up


class TagLoss(nn.Module):
    """Binary cross-entropy over a picture's words and the hardest negatives of the vocabulary.

    The logit of word w is max over heads 1.. of ⟨head, W_w⟩, plus b_w. All logits are computed without
    gradients to find the hardest negatives; gradients are built for the chosen words alone. A word counts
    by its rarity to the power `balance`, in its positives and negatives alike, so that its probability
    stays calibrated while platform tags that go with anything do not drown the rest.

    Args:
        table_VD: vectors that the words start from.
        rates_V: share of training posts that hold each word; b starts as its log odds.
        negatives: how many hardest negatives count.
        balance: 0 = every word counts the same, 1 = every word counts the same in all.
    """

    weight_V: Tensor

    def __init__(self, table_VD: np.ndarray, rates_V: np.ndarray, negatives: int, balance: float) -> None:
        super().__init__()
        self.table_VD = nn.Parameter(torch.from_numpy(table_VD.copy()))
        self.bias_V = nn.Parameter(torch.logit(torch.from_numpy(rates_V)))
        self.negatives = min(negatives, len(rates_V) - FIRST_WORD)
        weight = torch.from_numpy(rates_V) ** -balance
        used = torch.from_numpy(rates_V)[FIRST_WORD:]
        # Scaled so that a word of the corpus, drawn as often as it occurs, counts 1.
        weight = weight / ((weight[FIRST_WORD:] * used).sum() / used.sum())
        self.register_buffer("weight_V", weight, persistent=False)

    def logits(self, heads_BHD: Tensor) -> Tensor:
        """Logits B×V of every word; those of the marks mean nothing."""
        return (heads_BHD[:, 1:] @ self.table_VD.T).amax(dim=1) + self.bias_V

    def forward(self, heads_BHD: Tensor, tags_BW: Tensor) -> Tensor:
        """Mean over pictures of the weighted loss over the chosen words, by the number of the picture's tags.

        Args:
            heads_BHD: of the encoder.
            tags_BW: distinct word numbers of the post, padded with 0.

        Returns:
            A scalar.
        """
        with torch.no_grad():
            # By what they would cost, or frequent words would take every place and rare ones drift up unseen.
            hardness_BV = F.softplus(self.logits(heads_BHD).float()) * self.weight_V
            hardness_BV[:, :FIRST_WORD] = -torch.inf
            hardness_BV.scatter_(1, tags_BW, -torch.inf)
            hardest_BK, negative_BK = hardness_BV.topk(self.negatives, dim=1, sorted=False)
            # With few words in the vocabulary the picture's own tags may be all that is left.
            real = torch.cat([tags_BW != PAD, ~torch.isinf(hardest_BK)], dim=1)
            chosen = torch.cat([tags_BW, negative_BK], dim=1)
            truth = torch.cat([torch.ones_like(tags_BW), torch.zeros_like(negative_BK)], dim=1).float()
        # Pictures of a batch choose much the same words: one product with those, then each picks its own.
        flat = chosen.flatten()  # picked by index_select: a third of the time of brackets
        is_chosen_V = torch.zeros(len(self.bias_V), dtype=torch.bool, device=chosen.device).index_fill_(0, flat, True)
        words_U = filled_up(is_chosen_V.nonzero()[:, 0])
        place_BC = (is_chosen_V.cumsum(0) - 1).index_select(0, flat).view_as(chosen)
        similar_BU = amax(heads_BHD[:, 1:] @ self.table_VD.index_select(0, words_U).T, dim=1)
        bias_BC, weight_BC = (each_V.index_select(0, flat).view_as(chosen) for each_V in (self.bias_V, self.weight_V))
        logits = similar_BU.gather(1, place_BC).float() + bias_BC
        loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * real * weight_BC
        return (loss.sum(dim=1) / (tags_BW != PAD).sum(dim=1).clamp(min=1)).mean()
