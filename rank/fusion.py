"""The fusion-LSTM: a day of a style is a set of posts, a style's history is a row of days.

Shapes: B windows, L steps, C numbers of a step, F features of an origin, U sets, P places in a set, Q those of the
other sides, R items of a batch, D dimension of a vector, W width.

Pictures, garments and texts of a set attend to each other (Vaswani et al., "Attention Is All You Need", 2017, over a
set: no positions), are pooled under their masks, and joined with the numbers of the step; an LSTM (Hochreiter &
Schmidhuber, 1997) reads the steps; three heads read its last state beside the features of the origin.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rank.fusion_config import FusionConfig

START_SCALE = 3.0
"""Logits of class and hot at first, for each unit of log share that the start lies beyond an edge."""


class CrossAttention(nn.Module):
    """Each item of one side looks at the items of the other sides of its set, and at a learned "nothing"."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query, self.norm_key = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        # A set may have no item on the other side: softmax over nothing is not a number, over "nothing" it is.
        self.nothing = nn.Parameter(torch.randn(width) * 0.02)

    def forward(self, mine_UPW: Tensor, other_UQW: Tensor, mask_UQ: Tensor) -> Tensor:
        """`mine_UPW` with what it found at the places of the other sides where `mask_UQ` holds."""
        sets, _, width = mine_UPW.shape
        keys = torch.cat([self.nothing.expand(sets, 1, width), self.norm_key(other_UQW)], dim=1)
        mask = F.pad(mask_UQ, (1, 0), value=True)[:, None, None, :]
        query = self._split(self.query(self.norm_query(mine_UPW)))
        key, value = (self._split(x) for x in self.key_value(keys).chunk(2, dim=-1))
        # A mask of full shape takes the CPU's fused kernel, three times as fast; so would no dropout of attention.
        mask = mask.expand(sets, self.heads, query.shape[2], key.shape[2])
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return mine_UPW + self.out(found.transpose(1, 2).reshape(mine_UPW.shape))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SetEncoder(nn.Module):
    """A set of posts to one vector; the same whatever the order of its items or the padding."""

    def __init__(self, sides: dict[str, int], config: FusionConfig) -> None:
        """Builds it.

        Args:
            sides: dimension of the vectors of each modality (any of `picture`, `garment`, `text`).
            config: width, heads, dropout.
        """
        super().__init__()
        width = config.width
        self.sides = sides
        self.project = nn.ModuleDict({side: nn.Linear(size + 1, width) for side, size in sides.items()})
        self.norm = nn.ModuleDict({side: nn.LayerNorm(width) for side in sides})
        self.attend = nn.ModuleDict({side: CrossAttention(width, config.heads) for side in sides})
        self.empty = nn.ParameterDict({side: nn.Parameter(torch.zeros(width)) for side in sides})
        self.join = nn.Linear(len(sides) * (width + 1), width)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Encodes the sets of a batch.

        Args:
            batch: `place` U×P (0 is an empty place, k is item k - 1); for each side `SIDE` R×D and `SIDE_there` R;
                `engagement` R.

        Returns:
            U×W.
        """
        place_UP, engagement_R1 = batch["place"], batch["engagement"][:, None]
        items, masks = {}, {}
        for side, size in self.sides.items():
            # Vectors have length one: by sqrt(D) their entries have the size that the layer expects.
            vectors_RD = torch.cat([batch[side] * size**0.5, engagement_R1], dim=1)
            items_RW = self.drop(self.norm[side](self.project[side](vectors_RD)))
            items[side] = F.pad(items_RW, (0, 0, 1, 0))[place_UP]
            masks[side] = F.pad(batch[f"{side}_there"], (1, 0), value=False)[place_UP]
        pooled = []
        for side in self.sides:
            others = [name for name in self.sides if name != side] or [side]
            other_UQW, mask_UQ = (torch.cat([part[name] for name in others], dim=1) for part in (items, masks))
            found_UPW = self.attend[side](items[side], other_UQW, mask_UQ)
            count_U1 = masks[side].sum(dim=1, keepdim=True)
            mean_UW = (found_UPW * masks[side][..., None]).sum(dim=1) / count_U1.clamp(min=1)
            pooled += [torch.where(count_U1 > 0, mean_UW, self.empty[side]), torch.log1p(count_U1)]
        return F.gelu(self.join(torch.cat(pooled, dim=1)))


class FusionNet(nn.Module):
    """Growth, class and hotness of a style from its window."""

    def __init__(self, numbers: int, features: int, sides: dict[str, int], config: FusionConfig) -> None:
        """Builds it.

        Args:
            numbers: C, numbers of a step.
            features: F, features of an origin.
            sides: dimension of the vectors of each modality; empty for numbers alone.
            config: sizes.
        """
        super().__init__()
        width = config.width
        self.set_encoder = SetEncoder(sides, config) if sides else None
        self.numbers = nn.Sequential(nn.Linear(numbers, width), nn.GELU(), nn.Linear(width, width))
        self.join = nn.Linear(2 * width if sides else width, width)
        self.norm = nn.LayerNorm(width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.features = nn.Linear(features, width)
        self.head = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, width), nn.GELU())
        self.drop = nn.Dropout(config.dropout)
        self.growth, self.skip = nn.Linear(width, 1), nn.Linear(features, 1, bias=False)
        self.classes, self.hot = nn.Linear(width, 3), nn.Linear(width, 1)
        self.class_scale, self.hot_scale = (nn.Parameter(torch.full((1,), START_SCALE)) for _ in range(2))
        # The first forecast is that of the start: training moves away from it as far as the data say so.
        for layer in (self.growth, self.skip, self.classes, self.hot):
            nn.init.zeros_(layer.weight)
        for layer in (self.growth, self.classes, self.hot):
            nn.init.zeros_(layer.bias)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Reads a batch of windows.

        Args:
            batch: `steps` B×L×C, `features` B×F, `start` B, and what it says of the other heads, `start_classes` B×3
                and `start_hot` B (in log share); with sets also `set` B×L (its row of the sets) and what
                `SetEncoder` reads.

        Returns:
            `more` B (log growth beyond that of the start), `growth` B (the start's and `more`: log growth against the
            reference), `classes` B×3 and `hot` B (logits).
        """
        steps_BLW = self.numbers(batch["steps"])
        if self.set_encoder is not None:
            # A day that many windows hold is encoded once.
            sets_BLW = self.set_encoder(batch)[batch["set"]]
            # What a style looks like tells which one it is, and a few styles are soon known by heart; how it changes
            # within the window is what other styles have in common with it.
            sets_BLW = sets_BLW - sets_BLW.mean(dim=1, keepdim=True)
            steps_BLW = torch.cat([steps_BLW, sets_BLW], dim=-1)
        steps_BLW = self.drop(self.norm(F.gelu(self.join(steps_BLW))))
        _, (state_1BW, _) = self.lstm(steps_BLW)
        both = torch.cat([state_1BW[0], F.gelu(self.features(batch["features"]))], dim=-1)
        head_BW = self.drop(self.head(self.drop(both)))
        more_B = (self.growth(head_BW) + self.skip(batch["features"])).squeeze(-1)
        return {
            "growth": batch["start"] + more_B,
            "more": more_B,
            "classes": self.classes(head_BW) + self.class_scale * batch["start_classes"],
            "hot": self.hot(head_BW).squeeze(-1) + self.hot_scale * batch["start_hot"],
        }
