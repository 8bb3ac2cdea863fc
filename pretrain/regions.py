"""Pictures as sets of detected boxes: what the detector saw in each, where it is, and what it takes it for.

Shapes: B pictures, R boxes (padded), F = 2048 features of a box, C channels, H heads, D dimensions of a head.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.kddcup import Products
from data.kddcup_files import FEATURES, LABELS
from pretrain.encoder import AttentionPooling, Encoder
from stylecast.checkpoint import WEIGHTS, load_parts
from stylecast.config import from_dict, to_dict
from stylecast.errors import UserError
from stylecast.runs import SAVED
from stylecast.saved import load_any

FILE = "regions.json"
GEOMETRY = 5  # top/h, left/w, bottom/h, right/w, area
WIDTH = FEATURES + GEOMETRY + 1
"""Numbers of a box in a batch: features, geometry, label + 1 (0 = no box)."""
PADDED = (2, 4, 8, 16, 32, 64, 100)  # a picture is padded to the first of these that holds its boxes


@dataclass(frozen=True)
class RegionConfig:
    """How sets of boxes become vectors."""

    channels: int = 256
    """Width of a box's vector, channels; a multiple of `attention_heads`."""
    layers: int = 2
    """Layers of self-attention over the boxes."""
    attention_heads: int = 4
    """Heads of a layer of self-attention."""
    heads: int = 5
    """Vectors that stand for a picture: head 0 for sentences, the others for words, heads."""
    dim: int = 128
    """Length of a head, dimensions."""
    most_boxes: int = 100
    """Boxes of a picture that are looked at, the first of the file, 1 to 100."""
    hidden: float = 0.1
    """Probability that a box is hidden from a training step; one always stays."""


def box_geometry(boxes_R4: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where boxes are, as shares of the picture.

    Args:
        boxes_R4: top, left, bottom, right, pixels.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        float32 R×5: top/h, left/w, bottom/h, right/w, area.
    """
    shares_R4 = boxes_R4.astype(np.float32) / np.array([height, width, height, width], np.float32)
    area_R = (shares_R4[:, 2] - shares_R4[:, 0]) * (shares_R4[:, 3] - shares_R4[:, 1])
    return np.column_stack([shares_R4, area_R])


@dataclass(frozen=True)
class RegionPictures:
    """Products as pictures; a batch is float16 B×R×`WIDTH`, padded with zeros."""

    products: Products
    """Where the boxes are."""
    product_N: np.ndarray
    """Row of the product that each picture shows: one product may be several pictures."""
    most_boxes: int = 100
    """Boxes that are looked at."""
    hidden: float = 0.1
    """Probability that a box is hidden where there is a generator."""
    sizes_P2: np.ndarray = field(init=False, repr=False, compare=False)
    """Height and width of each product's picture, pixels."""
    boxes_N: np.ndarray = field(init=False, repr=False, compare=False)
    """Boxes of each picture that are looked at."""

    def __post_init__(self) -> None:
        sizes = self.products.table[["image_h", "image_w"]].to_numpy(np.int64)
        boxes = np.minimum(np.diff(self.products.offsets_N1), self.most_boxes)[self.product_N]
        object.__setattr__(self, "sizes_P2", sizes)
        object.__setattr__(self, "boxes_N", boxes)

    def __len__(self) -> int:
        return len(self.product_N)

    def batch(self, rows_B: np.ndarray, generator: torch.Generator | None = None) -> Tensor:
        """The boxes of pictures, some hidden where there is a generator."""
        boxes_B = self.boxes_N[rows_B]
        padded = PADDED[int(np.searchsorted(PADDED, boxes_B.max()))]
        records = np.zeros((len(rows_B), padded, WIDTH), np.float16)
        for place, (row, count) in enumerate(zip(rows_B, boxes_B, strict=True)):
            product = self.product_N[row]
            first = self.products.offsets_N1[product]
            part = slice(first, first + count)
            records[place, :count, :FEATURES] = self.products.features_MF[part]
            records[place, :count, FEATURES:-1] = box_geometry(self.products.boxes_M4[part], *self.sizes_P2[product])
            records[place, :count, -1] = self.products.labels_M[part] + 1
        if generator is not None:
            luck_BR = torch.rand(len(rows_B), padded, generator=generator).numpy()
            luck_BR[np.arange(padded) >= boxes_B[:, None]] = -1
            hide_BR = luck_BR < self.hidden
            hide_BR[np.arange(len(rows_B)), luck_BR.argmax(axis=1)] = False
            records[hide_BR] = 0
        return torch.from_numpy(records)

    def groups(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Places of pictures that are padded alike, by their own boxes alone."""
        kind = np.searchsorted(PADDED, self.boxes_N[rows])
        for number in np.unique(kind):
            yield np.flatnonzero(kind == number)


class _Attention(nn.Module):
    """Pre-norm self-attention over the boxes of a picture, and a layer on each (Vaswani et al. 2017)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.inner = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.each = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x_BRC: Tensor, mask_BR: Tensor) -> Tensor:
        query, key, value = self.inner(self.norm1(x_BRC)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed_BhRc = F.scaled_dot_product_attention(query, key, value, attn_mask=mask_BR[:, None, None, :])
        x_BRC = x_BRC + self.out(mixed_BhRc.transpose(1, 2).flatten(2))
        return x_BRC + self.each(self.norm2(x_BRC))


class RegionEncoder(Encoder):
    """Sets of boxes to heads; what padding there is changes nothing.

    Args:
        config: the settings.

    Raises:
        UserError: a setting does not fit.
    """

    stage = f"{SAVED}regions"

    def __init__(self, config: RegionConfig) -> None:
        super().__init__()
        if config.channels % config.attention_heads:
            raise UserError(f"--encoder.channels {config.channels}: must be a multiple of --encoder.attention-heads")
        if not 1 <= config.most_boxes <= PADDED[-1] or not 0 <= config.hidden < 1:
            raise UserError(f"--encoder.most-boxes must be 1 to {PADDED[-1]}, and --encoder.hidden from 0 to below 1")
        self.config, self.heads, self.dim = config, config.heads, config.dim
        self.features = nn.Linear(FEATURES, config.channels)
        self.geometry = nn.Linear(GEOMETRY, config.channels)
        self.label = nn.Embedding(LABELS + 1, config.channels)
        self.layers = nn.ModuleList(_Attention(config.channels, config.attention_heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.channels)
        self.pooling = AttentionPooling(config.channels, config.heads, config.dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """Heads of pictures.

        Args:
            pictures: B×R×`WIDTH` of `RegionPictures`; each has a box at least.

        Returns:
            float32 heads_BHD, not normalised.
        """
        features, geometry, label_BR1 = pictures.float().split([FEATURES, GEOMETRY, 1], dim=-1)
        label_BR = label_BR1[..., 0].long()
        mask_BR = label_BR > 0
        # Detectors scale their features as they like; every box starts with the same length.
        x_BRC = self.features(F.layer_norm(features, (FEATURES,))) + self.geometry(geometry) + self.label(label_BR)
        for layer in self.layers:
            x_BRC = layer(x_BRC, mask_BR)
        return self.pooling(self.norm(x_BRC), mask_BR)

    def save(self, folder: Path) -> None:
        """Write `regions.json`: all that is needed to build the encoder again, but for its weights."""
        (folder / FILE).write_text(json.dumps(to_dict(self.config), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "RegionEncoder":
        """Read an encoder, onto the CPU: what `save_pretrained` or `stylecast kddcup` (`pretrain`, `recall`) wrote.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        load_any(Path(folder), cls.stage, f"{SAVED}region-matcher", "kddcup-pretrain", "kddcup-recall")
        encoder = rebuild_regions(Path(folder))
        encoder.load_state_dict(load_parts(Path(folder) / WEIGHTS)["encoder"])
        return encoder.eval()


def rebuild_regions(folder: Path) -> RegionEncoder:
    """The encoder of a run folder, without its weights.

    Raises:
        UserError: the folder has no encoder of boxes.
    """
    path = folder / FILE
    if not path.exists():
        raise UserError(f"{path} is missing; {folder} is no run of `stylecast kddcup`, give the folder of one")
    return RegionEncoder(from_dict(json.loads(path.read_text(encoding="utf-8")), RegionConfig, str(path)))
