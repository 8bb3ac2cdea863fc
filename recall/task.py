"""Recall as the loop sees it: encoder and matchers, their losses, validation.

Shapes: B pairs of this rank, A pairs of all ranks, W words of a query, H heads, D dimensions.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pretrain.encoder import Encoder
from pretrain.pictures import Pictures, embed
from recall.chunks import in_chunks
from recall.gallery import Gallery, matching_metrics, pool_spread, score_all
from recall.losses import allowed_negatives, holds_all, margin_loss, sampled_margin_loss, sigmoid_loss, softmax_loss
from recall.matchers import Query, TextEncoder, sentence_scores, word_scores
from recall.mining import Clusters
from stylecast.errors import UserError
from stylecast.loop import Task
from stylecast.world import World, all_gather_with_grad


@dataclass(frozen=True)
class LossConfig:
    """What the matchers learn from."""

    word_weight: float = 1.0
    """Weight of the picture-word loss."""
    sentence_weight: float = 1.0
    """Weight of the picture-sentence loss."""
    listwise: float = 1.0
    """Weight, within the picture-sentence loss, of a softmax over the batch beside the pointwise sigmoid; 0 = none."""
    pairwise: float | None = None
    """Share of margin and sigmoid against a softmax over the batch in both losses, 0..1; by default that of distinct
    texts among the training posts: where texts repeat they are classes, for which a softmax is the better loss."""
    margin: float = 1.0
    """By how much the right picture should win in word score."""
    hardest: int = 8
    """How many hardest negatives of the batch a pair is told from, pairs."""


class RecallTask(Task):
    """Encoder, text encoder and the two matchers, trained together.

    Args:
        encoder: of a pretraining.
        text: words to vectors.
        config: the losses.
        mined: whether the second half of a batch holds hard negatives of the first.
        world: over which negatives are gathered.
        pictures: of the corpus, for validation.
        gallery: held-out queries and pictures.
        words_QW: words of the held-out queries.
        cache_chunk: pairs that are encoded and scored at a time, their gradients cached; 0 = all at once.
        clusters: of the training pictures, renewed before each epoch; None = hard negatives do without.
        pairwise: share of margin and sigmoid, unless the config gives one.

    Raises:
        UserError: `cache_chunk` is negative.
    """

    def __init__(
        self, encoder: Encoder, text: TextEncoder, config: LossConfig, mined: bool, world: World,
        pictures: Pictures, gallery: Gallery, words_QW: np.ndarray, cache_chunk: int = 0,
        clusters: Clusters | None = None, pairwise: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pairwise = pairwise if config.pairwise is None else config.pairwise
        if cache_chunk < 0:
            raise UserError(f"--cache-chunk {cache_chunk}: must be 0 (the whole batch at once) or more")
        self.encoder, self.text = encoder, text
        self.log_scale, self.bias = nn.Parameter(torch.tensor(math.log(10.0))), nn.Parameter(torch.tensor(-5.0))
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(1 / 0.07)), requires_grad=config.listwise > 0)
        self.log_word_scale = nn.Parameter(torch.tensor(0.0), requires_grad=self.pairwise < 1)
        self.config, self.mined, self.world = config, mined, world
        self.pictures, self.gallery, self.words_QW = pictures, gallery, words_QW
        self.cache_chunk, self.clusters = cache_chunk, clusters

    @property
    def mines(self) -> bool:
        """Whether pictures are clustered before each epoch."""
        return self.clusters is not None

    def mine(self, epoch: int, begun: bool) -> None:
        """Cluster the training pictures by what the encoder sees now."""
        if self.clusters is not None:
            self.clusters.renew(self.encoder, begun)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weighted losses `words` and `sentences`, each over queries and over pictures as rows."""
        pictures, queries, chunk = batch["pictures"], batch["words"], self.cache_chunk
        device = pictures.device
        heads = torch.cat(in_chunks(lambda rows: self.encoder(pictures[rows]), len(pictures), chunk, device))
        query = Query.joined(in_chunks(lambda rows: self.text(queries[rows]), len(queries), chunk, device))
        all_heads = all_gather_with_grad(heads, self.world)
        parts = (all_gather_with_grad(getattr(query, f.name), self.world) for f in dataclasses.fields(Query))
        all_query = Query(*parts)
        all_ids = all_gather_with_grad(batch["ids"], self.world)
        right = torch.arange(len(heads), device=device) + self.world.rank * len(heads)
        allowed = allowed_negatives(batch["ids"], all_ids)
        all_words, all_posts = (all_gather_with_grad(batch[name], self.world) for name in ("words", "posts"))
        size = len(self.text.table_VD)
        # This rank's queries against all pictures, and its pictures against all queries: of one process, the same.
        word_BA, sentence_BA = self._word_scores(query, all_heads), sentence_scores(query, all_heads)
        held_AB = holds_all(all_posts, batch["words"], size)
        word_AB, sentence_AB, held_BA = word_BA, sentence_BA, held_AB
        if self.world.size > 1:
            word_AB, sentence_AB = self._word_scores(all_query, heads), sentence_scores(all_query, heads)
            held_BA = holds_all(batch["posts"], all_words, size)
        word_rows, sentence_rows = (word_BA, word_AB.T), (sentence_BA, sentence_AB.T)
        masks = (allowed & ~held_AB.T, allowed & ~held_BA)

        pairs = list(zip(word_rows, masks, strict=True))
        words = torch.stack([self._word_loss(rows, right, mask) for rows, mask in pairs]).sum()
        scale = self.log_scale.exp()
        pairs = list(zip(sentence_rows, masks, strict=True))
        costs = [self.pairwise * sigmoid_loss(rows, right, mask, scale, self.bias) for rows, mask in pairs]
        if self.config.listwise > 0:
            sharpness = self.log_sharpness.exp().clamp(max=100)
            costs += [self.config.listwise * softmax_loss(rows, right, mask, sharpness) for rows, mask in pairs]
        sentences = torch.stack(costs).sum() / 2
        return {"words": self.config.word_weight * words, "sentences": self.config.sentence_weight * sentences}

    def _word_scores(self, query: Query, heads_NHD: Tensor) -> Tensor:
        # A score for each word and head on the way: many times the Q×N scores that are left.
        parts = in_chunks(
            lambda rows: word_scores(query.part(rows), heads_NHD), len(query), self.cache_chunk, heads_NHD.device
        )
        return torch.cat(parts)

    def _word_loss(self, scores_BA: Tensor, right_B: Tensor, allowed_BA: Tensor) -> Tensor:
        loss = margin_loss(scores_BA, right_B, allowed_BA, self.config.margin, self.config.hardest)
        if self.mined:
            half = len(right_B) // 2
            wrong_B = torch.cat([right_B[half:], right_B[:half]])
            loss = loss + sampled_margin_loss(scores_BA, right_B, wrong_B, allowed_BA, self.config.margin)
        if self.pairwise == 1:
            return loss
        listwise = softmax_loss(scores_BA, right_B, allowed_BA, self.log_word_scale.exp()) / 2
        return self.pairwise * loss + (1 - self.pairwise) * listwise

    def learning_rates(self) -> dict[str, float]:
        """Those of the layers of the encoder, and of a text model that is tuned."""
        shares = {f"encoder.{name}": share for name, share in self.encoder.learning_rates().items()}
        return shares | {f"text.{name}": share for name, share in self.text.learning_rates().items()}

    def evaluate(self) -> dict[str, float]:
        """NDCG@5 and recall@10 of word, sentence and their even blend, on held-out queries."""
        word_QN, sentence_QN = score_gallery(self.encoder, self.text, self.pictures, self.gallery, self.words_QW)
        even_QN = word_QN / pool_spread(word_QN, self.gallery) + sentence_QN / pool_spread(sentence_QN, self.gallery)
        told: dict[str, float] = {}
        for name, scores in (("word", word_QN), ("sentence", sentence_QN), ("even", even_QN)):
            metrics = matching_metrics(scores, self.gallery)
            told |= {f"{name}_{key}": metrics[key] for key in ("ndcg@5", "recall@10")}
        return told


def score_gallery(
    encoder: Encoder, text: TextEncoder, pictures: Pictures, gallery: Gallery, words_QW: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Embed the pictures of a gallery and score them with all of its queries: word_QN, sentence_QN."""
    device = text.table_VD.device
    heads = torch.from_numpy(embed(encoder, pictures, gallery.rows_N, device)).to(device)
    text.eval()
    return score_all(text, words_QW, heads)
