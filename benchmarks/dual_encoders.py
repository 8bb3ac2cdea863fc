"""What people train today, on our backbone: dual encoders with one vector a picture and one a text.

InfoNCE: CLIP (Radford et al. 2021), as open_clip trains it: symmetric cross-entropy over the batch, learnt
temperature from 1/0.07, at most 100, a transformer over the words. Sigmoid: SigLIP (Zhai et al. 2023), pointwise,
learnt temperature and bias. The whole text of the post is the caption; every other pair of the batch is a negative.

Shapes: B pairs, W words of a text (padded), D dimensions, Q queries, N pictures.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.encoder import PixelEncoder
from pretrain.pictures import PixelPictures, embed
from pretrain.vocabulary import PAD
from recall.gallery import Gallery, matching_metrics
from stylecast.loop import Task

Kind = Literal["infonce", "sigmoid"]


class TextTower(nn.Module):
    """A small transformer over the words of a text, mean over its states.

    Args:
        size: of the vocabulary.
        dim: D.
        width: most words.
        layers: of the transformer.
    """

    def __init__(self, size: int, dim: int, width: int, layers: int = 2) -> None:
        super().__init__()
        self.table = nn.Embedding(size, dim, padding_idx=PAD)
        self.place_WD = nn.Parameter(0.01 * torch.randn(width, dim))
        nn.init.normal_(self.table.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(dim, 4, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, words_BW: Tensor) -> Tensor:
        """Vectors of texts, L2-normalised; B×D."""
        hidden_BW = words_BW == PAD
        hidden_BW = hidden_BW & ~hidden_BW.all(dim=1, keepdim=True)  # a text without words looks at its padding
        states = self.layers(self.table(words_BW) + self.place_WD[: words_BW.shape[1]], src_key_padding_mask=hidden_BW)
        weight_BW = (~hidden_BW).to(states.dtype)
        pooled = (states * weight_BW[..., None]).sum(dim=1) / weight_BW.sum(dim=1, keepdim=True)
        return F.normalize(self.out(pooled).float(), dim=-1)


class DualTask(Task):
    """One vector a picture (head 0), one a text.

    Args:
        encoder: pictures to heads.
        text: words to a vector.
        kind: of the loss.
        pictures: of the corpus, for validation.
        gallery: held-out queries and pictures.
        words_QW: words of the held-out queries.
    """

    def __init__(
        self, encoder: PixelEncoder, text: TextTower, kind: Kind, pictures: PixelPictures, gallery: Gallery,
        words_QW: np.ndarray,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.text, self.kind = encoder, text, kind
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07 if kind == "infonce" else 10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0), requires_grad=kind == "sigmoid")
        self.pictures, self.gallery, self.words_QW = pictures, gallery, words_QW

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss, named by its kind."""
        picture_BD = F.normalize(self.encoder(batch["pictures"])[:, 0], dim=-1)
        scale = self.log_scale.exp().clamp(max=100)
        logits_BB = self.text(batch["words"]) @ picture_BD.T * scale
        right_B = torch.arange(len(logits_BB), device=logits_BB.device)
        if self.kind == "infonce":
            return {"infonce": (F.cross_entropy(logits_BB, right_B) + F.cross_entropy(logits_BB.T, right_B)) / 2}
        sign_BB = 2 * torch.eye(len(logits_BB), device=logits_BB.device) - 1
        return {"sigmoid": -F.logsigmoid(sign_BB * (logits_BB + self.bias)).sum(dim=1).mean()}

    def scores(self, gallery: Gallery, words_QW: np.ndarray) -> np.ndarray:
        """Cosine of every query and picture, Q×N."""
        device = self.log_scale.device
        heads = torch.from_numpy(embed(self.encoder, self.pictures, gallery.rows_N, device)).to(device)
        with torch.inference_mode():
            query_QD = self.text(torch.from_numpy(words_QW).to(device))
            cosine: np.ndarray = (query_QD @ F.normalize(heads[:, 0], dim=-1).T).cpu().numpy()
        return cosine

    def evaluate(self) -> dict[str, float]:
        """NDCG@5 and the gallery metrics on held-out queries."""
        return matching_metrics(self.scores(self.gallery, self.words_QW), self.gallery)


@dataclass(frozen=True)
class CaptionBatches:
    """Pictures with the whole text of their post."""

    pictures: PixelPictures
    """Of the corpus."""
    rows: np.ndarray
    """Rows of the training pictures."""
    post_N: np.ndarray
    """Row of the post of each picture."""
    words_PW: np.ndarray
    """Words of each post, padded."""

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """Augmented pictures and their texts."""
        rows_B = self.rows[index]
        words_BW = self.words_PW[self.post_N[rows_B]]
        return {"pictures": self.pictures.batch(rows_B, generator), "words": torch.from_numpy(words_BW)}
