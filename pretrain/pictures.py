"""Pictures on their way into an encoder: augmentation for training, and plain embedding.

Shapes: N pictures of the corpus, B pictures of a batch, S pixels a side, H heads, D dimensions.
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stylecast.logs import progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AugmentConfig:
    """How a training picture is changed each time it is seen."""

    shift: float = 0.08
    """Largest shift to each side, share of the side."""
    zoom: float = 0.12
    """Largest zoom in or out, share of the side."""
    flip: float = 0.5
    """Probability of a left-right flip."""
    light: float = 0.15
    """Largest change of brightness and of contrast, share of the range."""
    tint: float = 0.04
    """Largest gain of a single colour, share of its value; colours mean something here, so it is small."""


def _uniform(generator: torch.Generator, most: float, *shape: int) -> np.ndarray:
    return ((torch.rand(*shape, generator=generator) * 2 - 1) * most).numpy()


def augment(
    images_NSSC: np.ndarray, rows_B: np.ndarray, config: AugmentConfig, generator: torch.Generator
) -> np.ndarray:
    """Read pictures and crop, flip and colour each at random, in one pass over the pixels.

    Shift and zoom pick source pixels by number (nearest; beyond the edge, the edge is repeated), so that
    the crop costs no more than the read.

    Args:
        images_NSSC: uint8 RGB of the corpus, usually memory-mapped.
        rows_B: which to read.
        config: how much to change.
        generator: source of the randomness.

    Returns:
        uint8 B×S×S×3.
    """
    count, height, width = len(rows_B), images_NSSC.shape[1], images_NSSC.shape[2]
    zoom_B1 = 1 + _uniform(generator, config.zoom, count, 1)
    sides = []
    for side in (height, width):
        shift_B1 = _uniform(generator, config.shift * side, count, 1)
        source = (np.arange(side) - side / 2 + 0.5) * zoom_B1 + side / 2 - 0.5 + shift_B1
        sides.append(np.clip(np.rint(source), 0, side - 1).astype(np.int64))
    down_BS, across_BS = sides
    flipped_B = torch.rand(count, generator=generator).numpy() < config.flip
    across_BS[flipped_B] = across_BS[flipped_B, ::-1]
    pixels = np.empty((count, height, width, images_NSSC.shape[3]), dtype=np.uint8)
    for place, row in enumerate(rows_B):  # picture by picture stays in the cache: faster than one big gather
        pixels[place] = images_NSSC[row][down_BS[place][:, None], across_BS[place][None, :]]
    gain_B = (1 + _uniform(generator, config.light, count, 1)) * (1 + _uniform(generator, config.tint, count, 3))
    bias_B = _uniform(generator, config.light * 255 / 2, count, 1) + 128 * (1 - gain_B)
    # One look-up table a picture and colour: 256 entries instead of arithmetic on every pixel.
    table = np.clip(np.arange(256)[None, None, :] * gain_B[:, :, None] + bias_B[:, :, None], 0, 255).astype(np.uint8)
    for place in range(count):
        for colour in range(pixels.shape[3]):
            pixels[place, :, :, colour] = table[place, colour][pixels[place, :, :, colour]]
    return pixels


def embed(
    encoder: nn.Module, images_NSSC: np.ndarray, rows: np.ndarray, device: torch.device, batch: int = 256
) -> np.ndarray:
    """Heads of pictures as they are, in float32 and in batches of one shape.

    The last batch is filled up, since kernels chosen by shape round differently: a picture's heads must
    not depend on which pictures are embedded with it.

    Args:
        encoder: pictures uint8 B×S×S×3 → heads_BHD.
        images_NSSC: uint8 RGB of the corpus, usually memory-mapped.
        rows: which to embed.
        device: where the encoder is.
        batch: pictures at a time.

    Returns:
        float32 len(rows)×H×D.
    """
    encoder.eval()
    parts = []
    with torch.inference_mode():
        starts = range(0, len(rows), batch)
        for start in progress(starts, "embedding pictures", unit="batch") if len(starts) > 20 else starts:
            part = rows[start : start + batch]
            pixels = np.zeros((batch, *images_NSSC.shape[1:]), dtype=np.uint8)
            pixels[: len(part)] = images_NSSC[part]
            heads: Tensor = encoder(torch.from_numpy(pixels).to(device))
            parts.append(heads[: len(part)].float().cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0, 0), dtype=np.float32)
