"""Beam search: the likeliest sequence that a step function can be led to write.

Shapes: B sequences to write, K kept for each (the beam), M = B·K, V vocabulary, T places.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pretrain.vocabulary import BEGIN, END, PAD

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Words before (int64 M) and state (M first) → log probabilities of the next word M×V, and the next state."""


@dataclass(frozen=True)
class BeamConfig:
    """How captions are written."""

    width: int = 4
    """Captions that are kept while one is written, captions; 1 = always the likeliest next word."""
    length_power: float = 1.0
    """A caption's log probability is divided by its length to this power: 0 favours short captions, 1 judges the
    mean word."""
    repeat_pairs: bool = False
    """Whether the same two words may stand side by side twice in a caption."""


@dataclass(frozen=True)
class Written:
    """What a beam search wrote."""

    tokens_BT: Tensor
    """int64: words, `END`, then padding."""
    log_probability_B: Tensor
    """Of each whole sequence with its end, nats."""


def beam_search(step: Step, state_B: Tensor, places: int, config: BeamConfig) -> Written:
    """Write the sequences with the highest log probability over length^power (Wu et al. 2016, section 7).

    A sequence that has ended keeps its place in the beam and its score; the search is over when all have
    ended. Equal scores are decided by place, so that the same input gives the same words.

    Args:
        step: the model.
        state_B: where each sequence starts.
        places: longest sequence with its end, which is forced at the last place; none is empty, since a step
            from nothing to an end is the one that length alone makes likely.
        config: how wide, and how length counts.

    Returns:
        The best sequence of each beam.
    """
    batch, width, device = len(state_B), config.width, state_B.device
    state_M = state_B.repeat_interleave(width, dim=0)
    tokens_BKT = torch.full((batch, width, places), PAD, device=device)
    # All K start equal, so at first only one of them counts.
    total_BK = torch.full((batch, width), -torch.inf, device=device)
    total_BK[:, 0] = 0.0
    ended_BK = torch.zeros((batch, width), dtype=torch.bool, device=device)
    length_BK = torch.zeros((batch, width), device=device)
    before_M = torch.full((batch * width,), BEGIN, device=device)
    for place in range(places):
        next_MV, state_M = step(before_M, state_M)
        next_BKV = _allowed(next_MV.float().view(batch, width, -1), ended_BK, place, places)
        if place > 1 and not config.repeat_pairs:
            next_BKV = _without_repeats(next_BKV, tokens_BKT[:, :, :place])
        length_BK = length_BK + ~ended_BK
        sum_BKV = total_BK[:, :, None] + next_BKV
        score_BN = (sum_BKV / length_BK[:, :, None] ** config.length_power).flatten(1)
        best_BK = score_BN.topk(width, dim=1).indices
        from_BK, word_BK = best_BK // next_BKV.shape[2], best_BK % next_BKV.shape[2]
        total_BK = sum_BKV.flatten(1).gather(1, best_BK)
        tokens_BKT = tokens_BKT.gather(1, from_BK[:, :, None].expand(-1, -1, places)).clone()
        tokens_BKT[:, :, place] = word_BK
        length_BK = length_BK.gather(1, from_BK)
        ended_BK = ended_BK.gather(1, from_BK) | (word_BK == END)
        rows_M = (torch.arange(batch, device=device)[:, None] * width + from_BK).flatten()
        state_M, before_M = state_M[rows_M], word_BK.flatten()
        if bool(ended_BK.all()):
            break
    return Written(tokens_BKT[:, 0], total_BK[:, 0])


def _allowed(next_BKV: Tensor, ended_BK: Tensor, place: int, places: int) -> Tensor:
    """Log probabilities of what may follow: padding after an end, no mark but the end before it."""
    next_BKV = next_BKV.clone()
    next_BKV[:, :, [PAD, BEGIN]] = -torch.inf
    if place == places - 1:
        next_BKV[:, :, END + 1 :] = -torch.inf
    elif place == 0:
        next_BKV[:, :, END] = -torch.inf
    padding_V = torch.full_like(next_BKV[0, 0], -torch.inf)
    padding_V[PAD] = 0.0
    return torch.where(ended_BK[:, :, None], padding_V, next_BKV)


def _without_repeats(next_BKV: Tensor, tokens_BKT: Tensor) -> Tensor:
    """No word that has followed the last one before: loops are what a decoder falls into (Paulus et al. 2018)."""
    came_before_BKT = tokens_BKT[:, :, :-1] == tokens_BKT[:, :, -1:]
    followed_BKT = torch.where(came_before_BKT, tokens_BKT[:, :, 1:], BEGIN)  # BEGIN is ruled out anyway
    ended_BK1 = tokens_BKT[:, :, -1:] <= END
    banned_BKV = torch.zeros_like(next_BKV, dtype=torch.bool).scatter_(2, followed_BKT, True)
    return next_BKV.masked_fill(banned_BKV & ~ended_BK1, -torch.inf)
