"""Pictures on their way into an encoder: where they come from, augmentation for training, plain embedding.

Shapes: N pictures of the corpus, B pictures of a batch, S pixels a side, H heads, D dimensions.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from data.pictures import letterbox
from data.posts import Posts
from pretrain.encoder import Encoder, PixelEncoder
from stylecast.errors import UserError
from stylecast.logs import progress

log = logging.getLogger(__name__)
WARP = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP


class Pictures(Protocol):
    """The pictures of a corpus, whatever they are made of; a batch is the one tensor that their encoder takes."""

    def __len__(self) -> int:
        """Number of pictures, N."""
        ...

    def batch(self, rows_B: np.ndarray, generator: torch.Generator | None = None) -> Tensor:
        """Some pictures as a CPU tensor, B first; each is changed at random where there is a generator."""
        ...

    def groups(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Places in `rows` of pictures that share a shape, which a picture has whatever stands beside it."""
        ...


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
    """Read pictures and crop, flip and colour each at random.

    A pixel comes from the nearest source pixel; beyond the edge, the edge is repeated. OpenCV does both passes: a
    quarter of NumPy's time, and it lets go of Python's lock, so that the model works on meanwhile.

    Args:
        images_NSSC: uint8 RGB of the corpus, usually memory-mapped.
        rows_B: which to read.
        config: how much to change.
        generator: source of the randomness.

    Returns:
        uint8 B×S×S×3.
    """
    count, height, width = len(rows_B), images_NSSC.shape[1], images_NSSC.shape[2]
    zoom_B = 1 + _uniform(generator, config.zoom, count)
    down_B, across_B = (_uniform(generator, config.shift * side, count) for side in (height, width))
    flipped_B = torch.rand(count, generator=generator).numpy() < config.flip
    # Where a pixel comes from: zoomed about the centre, shifted, mirrored.
    maps_B23 = np.zeros((count, 2, 3))
    maps_B23[:, 0, 0], maps_B23[:, 1, 1] = np.where(flipped_B, -zoom_B, zoom_B), zoom_B
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    maps_B23[:, :, 2] = centre + np.stack([across_B, down_B], axis=1) - maps_B23[:, :, :2] @ centre
    gain_B3 = (1 + _uniform(generator, config.light, count, 1)) * (1 + _uniform(generator, config.tint, count, 3))
    bias_B3 = _uniform(generator, config.light * 255 / 2, count, 1) + 128 * (1 - gain_B3)
    # One look-up table a picture and colour: 256 entries instead of arithmetic on every pixel.
    levels_B1L3 = np.arange(256)[None, None, :, None] * gain_B3[:, None, None] + bias_B3[:, None, None]
    tables_B1L3 = np.clip(levels_B1L3, 0, 255).astype(np.uint8)
    pixels = np.empty((count, height, width, 3), dtype=np.uint8)
    for row, moved, table, made in zip(rows_B, maps_B23, tables_B1L3, pixels, strict=True):
        cv2.warpAffine(images_NSSC[row], moved, (width, height), made, WARP, cv2.BORDER_REPLICATE)
        cv2.LUT(made, table, made)
    return pixels


@dataclass(frozen=True)
class PixelPictures:
    """Pictures as pixels."""

    images_NSSC: np.ndarray
    """uint8 RGB of the corpus, usually memory-mapped."""
    change: AugmentConfig = field(default_factory=AugmentConfig)
    """How training pictures are changed."""
    masks_NSS: np.ndarray | None = None
    """uint8, 0 where a picture is blackened; None = nowhere."""

    @classmethod
    def of(
        cls, posts: Posts, view: Literal["picture", "garment"], change: AugmentConfig | None = None
    ) -> "PixelPictures":
        """The pictures of posts: whole, or their clothes on black.

        Args:
            posts: the posts.
            view: which of the two; an encoder's own is `encoder.config.view`.
            change: how training pictures are changed.

        Raises:
            UserError: the clothes of these posts were not looked for.
        """
        if view == "garment" and posts.masks is None:
            raise UserError("view garment: these posts have no masks; run `stylecast prepare` with --segment on them")
        return cls(posts.images, change or AugmentConfig(), posts.masks if view == "garment" else None)

    def __len__(self) -> int:
        return len(self.images_NSSC)

    def batch(self, rows_B: np.ndarray, generator: torch.Generator | None = None) -> Tensor:
        """uint8 B×S×S×3, augmented where there is a generator."""
        images = self.images_NSSC
        if self.masks_NSS is not None:
            images, rows_B = images[rows_B] * self.masks_NSS[rows_B][..., None], np.arange(len(rows_B))
        if generator is None:
            return torch.from_numpy(images[rows_B])
        return torch.from_numpy(augment(images, rows_B, self.change, generator))

    def groups(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """All in one: they share a size."""
        yield np.arange(len(rows))


def embed(encoder: Encoder, pictures: Pictures, rows: np.ndarray, device: torch.device, batch: int = 256) -> np.ndarray:
    """Heads of pictures as they are, in float32 and in batches of one shape.

    The last batch is filled up, since kernels chosen by shape round differently: a picture's heads must
    not depend on which pictures are embedded with it.

    Args:
        encoder: pictures to heads_BHD.
        pictures: of the corpus.
        rows: which to embed.
        device: where the encoder is.
        batch: pictures at a time.

    Returns:
        float32 len(rows)×H×D.
    """
    encoder.eval()
    heads = np.zeros((len(rows), encoder.heads, encoder.dim), dtype=np.float32)
    places = [group[i : i + batch] for group in pictures.groups(rows) for i in range(0, len(group), batch)]
    with torch.inference_mode():
        for place in progress(places, "embedding pictures", unit="batch") if len(places) > 20 else places:
            filled = np.concatenate([place, np.full(batch - len(place), place[0])])
            part_BHD: Tensor = encoder(pictures.batch(rows[filled]).to(device))
            heads[place] = part_BHD[: len(place)].float().cpu().numpy()
    return heads


def encode_pixels(encoder: PixelEncoder, pictures: np.ndarray) -> np.ndarray:
    """Heads of pictures that lie in memory: `PixelEncoder.encode`."""
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        raise UserError(
            f"pictures must be uint8 RGB, N×height×width×3; these are {pictures.dtype} "
            f"{'×'.join(map(str, pictures.shape))}"
        )
    side = encoder.config.image_size or max(pictures.shape[1:3])
    if pictures.shape[1:3] != (side, side):
        square = [np.zeros((0, side, side, 3), np.uint8), *(letterbox(one, side)[None] for one in pictures)]
        pictures = np.concatenate(square)
    return embed(encoder, PixelPictures(pictures), np.arange(len(pictures)), next(encoder.parameters()).device)
