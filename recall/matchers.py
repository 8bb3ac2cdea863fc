"""How well words fit a picture: word by word, and as one sentence.

Shapes: Q queries, W words of a query (padded), N pictures, H heads, D dimensions, V vocabulary.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.vocabulary import PAD
from stylecast.amax import amax


@dataclass(frozen=True)
class Query:
    """Texts, encoded; all tensors have the query as their first axis."""

    words_QWD: Tensor
    """Vectors that words are matched by."""
    keys_QWD: Tensor
    """What each word asks of head 0 to be important."""
    lean_QW: Tensor
    """How important a word is before the picture is seen; -inf for padding."""
    sentence_QD: Tensor
    """The sentence vector, L2-normalised; zero where no word is known."""

    def __len__(self) -> int:
        return len(self.sentence_QD)

    def part(self, rows: slice) -> "Query":
        """Some of the queries."""
        return Query(*(getattr(self, f.name)[rows] for f in dataclasses.fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["Query"]) -> "Query":
        """Queries of the same width, one after the other."""
        return cls(*(torch.cat([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(cls)))


class TextEncoder(nn.Module):
    """Words to vectors, states in context, and a sentence vector.

    Args:
        table_VD: vectors that the words start from (the tag vectors of a pretraining).
        frozen: whether they stay as they start.
    """

    def __init__(self, table_VD: Tensor, frozen: bool = False) -> None:
        super().__init__()
        dim = table_VD.shape[1]
        self.table_VD = nn.Parameter(table_VD.detach().clone(), requires_grad=not frozen)
        self.context = nn.Conv1d(dim, dim, 3, padding=1)
        self.key = nn.Linear(dim, dim)
        self.lean = nn.Linear(dim, 1)
        self.pool = nn.Linear(dim, 1)
        self.sentence = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.direct = nn.Linear(dim, dim)

    def read(self, words_QW: Tensor, real_QW: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """What context adds to the vector of each word, and to the sentence; here nothing."""
        return 0.0, 0.0

    def vectors(self) -> Tensor:
        """The vector of each word when it stands by itself; V×D."""
        return self.table_VD.detach()

    def save(self, folder: Path) -> None:
        """Write what the weights do not tell; here nothing: they are the whole."""

    def learning_rates(self) -> dict[str, float]:
        """Parameters by name that learn at a share of the learning rate; here none."""
        return {}

    def forward(self, words_QW: Tensor) -> Query:
        """Encode padded word numbers; how much padding there is changes nothing."""
        real_QW = words_QW != PAD
        added_QWD, added_QD = self.read(words_QW, real_QW)
        # Padding is zero before the convolution, as is what lies beyond the last word.
        vectors_QWD = (self.table_VD[words_QW] + added_QWD) * real_QW[..., None]
        states_QWD = vectors_QWD + F.gelu(self.context(vectors_QWD.transpose(1, 2)).transpose(1, 2))
        pooled_QD = _pool(self.pool(states_QWD).squeeze(-1), states_QWD, real_QW)
        # Nothing known: a zero vector, that no picture is close to.
        known_Q1 = real_QW.any(dim=1, keepdim=True)
        whole_QD = self.direct(pooled_QD) + self.sentence(pooled_QD) + added_QD
        sentence_QD = F.normalize(whole_QD.float(), dim=-1) * known_Q1
        lean_QW = self.lean(states_QWD).squeeze(-1).float().masked_fill(~real_QW, -math.inf)
        return Query(vectors_QWD, self.key(states_QWD), lean_QW, sentence_QD)


def _pool(logits_QW: Tensor, states_QWD: Tensor, real_QW: Tensor) -> Tensor:
    # A very negative number instead of -inf: a query without words must give zeros, not NaN.
    weight_QW = logits_QW.float().masked_fill(~real_QW, -1e9).softmax(dim=1) * real_QW
    return (weight_QW[..., None] * states_QWD).sum(dim=1)


def word_weights(query: Query, heads_NHD: Tensor) -> Tensor:
    """How much each word of a query counts for each picture: a softmax over the query's words.

    The logits come from the word's state and from the picture's head 0.

    Returns:
        weights Q×W×N; over the words they sum to one, padding has none; zeros for a query without words.
    """
    Q, W, D = query.keys_QWD.shape
    picture_ND = F.normalize(heads_NHD[:, 0].float(), dim=-1)
    flat = query.keys_QWD.reshape(Q * W, D) @ picture_ND.to(query.keys_QWD.dtype).T
    empty_Q11 = torch.isinf(query.lean_QW).all(dim=1)[:, None, None]
    lean_QW1 = query.lean_QW[..., None].masked_fill(empty_Q11, 0.0)
    return (flat.view(Q, W, len(heads_NHD)).float() + lean_QW1).softmax(dim=1) * ~empty_Q11


def word_scores(query: Query, heads_NHD: Tensor) -> Tensor:
    """Picture-word matching: Σ over words of weight · max over heads 1.. of ⟨word, head⟩.

    Returns:
        scores Q×N.
    """
    Q, W, D = query.words_QWD.shape
    words_AD = query.words_QWD.reshape(Q * W, D)
    # One matrix product for all words against all heads. Pictures come last all along: what goes along words or heads
    # then takes a vector of pictures at a time.
    N, H, _ = heads_NHD.shape
    flat = words_AD @ heads_NHD[:, 1:].transpose(0, 1).reshape(-1, D).T.to(words_AD.dtype)
    best_QWN = amax(flat.view(Q, W, H - 1, N), dim=2)
    return (word_weights(query, heads_NHD) * best_QWN.float()).sum(dim=1)


def sentence_scores(query: Query, heads_NHD: Tensor) -> Tensor:
    """Picture-sentence matching: cosine of the sentence vector and head 0; Q×N."""
    return query.sentence_QD @ F.normalize(heads_NHD[:, 0].float(), dim=-1).T
