"""From a picture to its H heads: regions by a backbone, then attention pooling.

Shapes: B pictures, S pixels a side, C channels, R regions, H heads, D dimensions of a head.
"""

import dataclasses
import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.backbones import (
    PretrainedBackbone,
    SmallBackbone,
    layer_shares,
    open_pretrained,
    own_size,
    rebuild_pretrained,
)
from stylecast.checkpoint import WEIGHTS, load_parts, save_parts
from stylecast.config import from_dict, to_dict
from stylecast.errors import UserError
from stylecast.runs import SAVED
from stylecast.saved import load_any, save_model

log = logging.getLogger(__name__)
FILE = "encoder.json"
HALF = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@dataclass(frozen=True)
class EncoderConfig:
    """How pictures become vectors."""

    backbone: str = "small"
    """`small` (from scratch), or a vision model of transformers by folder or hub name."""
    channels: tuple[int, ...] = (32, 64, 128)
    """Widths of the small backbone; each further one halves the map, channels."""
    blocks: int = 1
    """Residual blocks for each width of the small backbone, blocks."""
    heads: int = 5
    """Vectors that stand for a picture: head 0 for sentences, the others for words, heads."""
    dim: int = 128
    """Length of a head, dimensions."""
    image_size: int = 0
    """Side that pictures are resized to, pixels; 0 = what the backbone asks for, else that of the pictures that it is
    trained on."""
    view: Literal["picture", "garment"] = "picture"
    """What it sees of a picture: all, or the clothes on black, which `stylecast prepare --segment` finds. Later stages
    show it the same."""
    frozen: bool = False
    """Leave the weights of a transformers backbone as they are, and train only what stands on it."""
    layer_decay: float = 1.0
    """Learning rate of a layer of the backbone as a share of that of the layer above it, 0..1; 0.75 is usual for
    a pretrained transformer, 1 = the same rate for all."""


class AttentionPooling(nn.Module):
    """H learned queries, each of which pools the regions by its own softmax (as in Set Transformer's PMA).

    Head 0 has values of its own, since it answers to sentences; heads 1.. share theirs, since any of them
    may answer to any word.

    Args:
        channels: width of a region.
        heads: number of heads, at least 2.
        dim: length of a head.
    """

    def __init__(self, channels: int, heads: int, dim: int) -> None:
        super().__init__()
        if heads < 2:
            raise UserError(f"--encoder.heads {heads}: head 0 is for sentences, so words need a second; give 2 or more")
        self.query_HC = nn.Parameter(torch.randn(heads, channels))
        self.key = nn.Linear(channels, channels, bias=False)
        self.sentence_value = nn.Linear(channels, dim)
        self.word_value = nn.Linear(channels, dim)

    def forward(self, regions_BRC: Tensor, mask_BR: Tensor | None = None) -> Tensor:
        """Pool regions.

        Args:
            regions_BRC: vectors of the regions.
            mask_BR: true where a region is real; absent = all are.

        Returns:
            heads_BHD.
        """
        scale = 1 / math.sqrt(regions_BRC.shape[-1])
        logits_BHR = torch.einsum("hc,brc->bhr", self.query_HC, self.key(regions_BRC)).float() * scale
        if mask_BR is not None:
            logits_BHR = logits_BHR.masked_fill(~mask_BR[:, None, :], -math.inf)
        weight_BHR = logits_BHR.softmax(dim=-1).to(regions_BRC.dtype)
        pooled_BHC = weight_BHR @ regions_BRC
        sentence_BD, words_BD = self.sentence_value(pooled_BHC[:, :1]), self.word_value(pooled_BHC[:, 1:])
        return torch.cat([sentence_BD, words_BD], dim=1).float()


class Encoder(nn.Module):
    """Pictures to heads, whatever a picture is made of."""

    heads: int
    dim: int
    config: Any
    stage: str
    """Of the run folder that it is saved into by hand."""

    def forward(self, pictures: Tensor) -> Tensor:
        """float32 heads_BHD, not normalised, of a batch of pictures (see `pretrain.pictures.Pictures`)."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write all that is needed to build the encoder again, but for its weights."""
        raise NotImplementedError

    def learning_rates(self) -> dict[str, float]:
        """Parameters by name that learn at a share of the learning rate; here none."""
        return {}

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that `from_pretrained` reads; it appears whole or not at all.

        Raises:
            UserError: something else lies there.
        """
        with save_model(Path(folder), self.stage, self.config) as run:
            save_parts(nn.ModuleDict({"encoder": self}), run.folder / WEIGHTS)
            self.save(run.folder)


class PixelEncoder(Encoder):
    """Pictures to heads, with any backbone.

    Args:
        config: the settings; `image_size` is already resolved.
        backbone: gives tokens B×R×C or a map B×C×S'×S'.
        statistics: mean and standard deviation of each colour, for pixels in 0..1.
        content: configuration of a transformers backbone, kept to rebuild it; None for the small one.
    """

    mean_C: Tensor
    std_C: Tensor
    stage = f"{SAVED}encoder"

    def __init__(
        self, config: EncoderConfig, backbone: nn.Module,
        statistics: tuple[tuple[float, ...], tuple[float, ...]], content: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.config, self.content, self.statistics = config, content, statistics
        self.heads, self.dim = config.heads, config.dim
        self.backbone = backbone
        self.register_buffer("mean_C", torch.tensor(statistics[0]), persistent=False)
        self.register_buffer("std_C", torch.tensor(statistics[1]), persistent=False)
        self.pooling = AttentionPooling(self._probe(), config.heads, config.dim)

    def _probe(self) -> int:
        """Find the width of a region; freeze what no gradient reaches (poolers), or DDP would wait for it."""
        size = self.config.image_size or 64
        regions = self.regions(torch.zeros(1, size, size, 3, dtype=torch.uint8))
        regions.sum().backward()
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(parameter.grad is not None and not self.config.frozen)
            parameter.grad = None
        return regions.shape[-1]

    def regions(self, pictures_BSSC: Tensor) -> Tensor:
        """Region vectors B×R×C of uint8 pictures B×S×S×3 (RGB)."""
        # Channels first, then in place: a quarter of the time of what is else a quarter of the forward pass.
        pixels = pictures_BSSC.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        pixels.div_(255).sub_(self.mean_C[:, None, None]).div_(self.std_C[:, None, None])
        size = self.config.image_size
        if size and pixels.shape[-1] != size:
            pixels = F.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
        features: Tensor = self.backbone(pixels)
        return features.flatten(2).transpose(1, 2) if features.ndim == 4 else features

    def forward(self, pictures_BSSC: Tensor) -> Tensor:
        """Heads of pictures.

        Args:
            pictures_BSSC: uint8 RGB, B×S×S×3.

        Returns:
            float32 heads_BHD, not normalised.
        """
        return self.pooling(self.regions(pictures_BSSC))

    def learning_rates(self) -> dict[str, float]:
        """The shares of the backbone's layers, which fall from the top by `layer_decay`."""
        names = [name for name, _ in self.backbone.named_parameters()]
        shares = layer_shares(names, self.config.layer_decay)
        return {f"backbone.{name}": share for name, share in shares.items()}

    def save(self, folder: Path) -> None:
        """Write `encoder.json`: all that is needed to build the encoder again, but for its weights."""
        content = {"config": to_dict(self.config), "statistics": self.statistics, "transformers": self.content}
        (folder / FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str), encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "PixelEncoder":
        """Read an encoder, onto the CPU: what `save_pretrained`, `stylecast pretrain` or `stylecast recall` wrote.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        load_any(Path(folder), cls.stage, f"{SAVED}matcher", "pretrain", "recall")
        encoder = rebuild_encoder(Path(folder))
        encoder.load_state_dict(load_parts(Path(folder) / WEIGHTS)["encoder"])
        return encoder.eval()

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """Heads of pictures, to the bit as `stylecast recall` makes them before it rounds them to float16.

        Args:
            pictures: uint8 RGB, N×height×width×3. Those of another size than the encoder was trained on are fitted
                into a square of it, on white, as `stylecast prepare` does.

        Returns:
            float32 N×H×D, not normalised: head 0 answers to sentences, the others to words.

        Raises:
            UserError: these are no such pictures.
        """
        from pretrain.pictures import encode_pixels  # it stands on this module

        return encode_pixels(self, pictures)


def build_encoder(config: EncoderConfig, side: int = 0) -> PixelEncoder:
    """A new encoder: the small one with random weights, or a pretrained backbone with new pooling.

    Args:
        config: the settings.
        side: of the pictures that it will be trained on, pixels; 0 = not known.

    Raises:
        UserError: a setting does not fit, or transformers cannot load the backbone.
    """
    if not 0 < config.layer_decay <= 1:
        raise UserError(f"--encoder.layer-decay {config.layer_decay}: must be above 0 and at most 1 (1 = no decay)")
    if config.backbone == "small":
        if config.frozen:
            raise UserError("--encoder.frozen: the small backbone starts from random weights; leave the flag out")
        sized = dataclasses.replace(config, image_size=config.image_size or side)
        return PixelEncoder(sized, SmallBackbone(config.channels, config.blocks), HALF, None)
    backbone, content, statistics = open_pretrained(config.backbone, config.frozen)
    sized = dataclasses.replace(config, image_size=config.image_size or own_size(content) or side)
    log.info("backbone %s at %s px", config.backbone, sized.image_size or "any")
    return PixelEncoder(sized, backbone, statistics, content)


def rebuild_encoder(folder: Path) -> PixelEncoder:
    """The encoder of a run folder, without its weights.

    Raises:
        UserError: the folder has no encoder.
    """
    path = folder / FILE
    if not path.exists():
        raise UserError(f"{path} is missing; {folder} is no run of pretrain or recall, give the folder of one")
    saved = json.loads(path.read_text(encoding="utf-8"))
    config = from_dict(saved["config"], EncoderConfig, str(path))
    mean, std = saved["statistics"]
    statistics = (tuple(mean), tuple(std))
    backbone: PretrainedBackbone | SmallBackbone
    if saved["transformers"] is None:
        backbone = SmallBackbone(config.channels, config.blocks)
    else:
        backbone = rebuild_pretrained(saved["transformers"], config.frozen)
    return PixelEncoder(config, backbone, statistics, saved["transformers"])
