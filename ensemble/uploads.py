"""A picture that somebody sends, read as `stylecast prepare` reads those of posts; nobody is trusted.

What the file claims to be is looked at before anything is decoded: a small file may claim a picture that fills the
memory, and few formats are let in.

Shapes: S pixels a side.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.pictures import as_kept, fit_within, letterbox, upright
from data.prepare import PrepareConfig
from data.segment import ClothesModel, grab_cut

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
"""What is read; Pillow knows many more, some of which start other programs."""


class UploadError(Exception):
    """A picture that is not taken.

    Args:
        status: of HTTP: 413 too large, 415 of no kind that is read, 422 not to be used.
        reason: why.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def open_upload(data: bytes, size: int, most_pixels: int) -> np.ndarray:
    """Decode a picture, upright and on white; of several frames the first.

    Args:
        data: the file.
        size: side that is needed, pixels.
        most_pixels: beyond this nothing is decoded.

    Returns:
        uint8 H×W×3 RGB.

    Raises:
        UploadError: too large, or no picture.
    """
    if not data:
        raise UploadError(422, "the picture is empty; send the bytes of a JPEG, PNG, WebP or GIF file")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > most_pixels:
                raise UploadError(413, f"{picture.width}×{picture.height} pixels are more than {most_pixels:,}")
            return upright(picture, size)
    except UploadError:
        raise
    except Image.DecompressionBombError as error:
        raise UploadError(413, f"the picture has more than {most_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        raise UploadError(415, f"no picture that can be read; send one of {', '.join(FORMATS)}") from error
    # Pillow raises OSError, SyntaxError, ValueError, struct.error … for broken files; all mean the same here.
    except Exception as error:
        raise UploadError(422, f"unreadable picture ({type(error).__name__})") from error


@dataclass(frozen=True)
class PictureReader:
    """Reads pictures as those of a run were read."""

    config: PrepareConfig
    """How they were."""
    most_pixels: int
    """Of a picture; beyond this nothing is decoded."""
    cut: bool
    """Whether the encoder sees clothes on black."""
    model: ClothesModel | None
    """What finds the clothes; None = GrabCut, where they are looked for."""

    @classmethod
    def of(cls, config: PrepareConfig, view: Literal["picture", "garment"], most_pixels: int) -> "PictureReader":
        """A reader for an encoder.

        Args:
            config: of the run of `prepare`.
            view: what the encoder sees.
            most_pixels: of a picture.

        Raises:
            UserError: the segmentation checkpoint cannot be loaded.
        """
        model = None
        if view == "garment" and config.segment != "grabcut":
            model = ClothesModel.load(config.segment, config.segment_labels, config.segment_size)
        return cls(config, most_pixels, view == "garment", model)

    def read(self, data: bytes) -> np.ndarray:
        """A picture as the encoder wants it, uint8 S×S×3.

        Raises:
            UploadError: too large, no picture, nearly one colour, or too little clothing.
        """
        size = self.config.picture_size
        kept = as_kept(open_upload(data, size, self.most_pixels), size, self.config.min_contrast)
        if kept.image is None:
            raise UploadError(422, kept.reason)
        return kept.image * self._mask(data)[..., None] if self.cut else kept.image

    def _mask(self, data: bytes) -> np.ndarray:
        """Where there are clothes, uint8 S×S of 0 and 1."""
        wide = self.config.segment_size
        seen = fit_within(open_upload(data, wide, self.most_pixels), wide)
        mask = grab_cut(seen) if self.model is None else self.model.masks([seen])[0]
        if mask.mean() < self.config.min_garment:
            raise UploadError(422, f"too little clothing ({100 * mask.mean():.1f}%)")
        square = letterbox(mask.astype(np.uint8) * 255, self.config.picture_size, around=0)
        return (square > 127).astype(np.uint8)
