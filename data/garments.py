"""The clothing of every picture of a corpus: a mask beside each picture, and its share.

Shapes: N pictures, H×W pixels, S pixels a side.
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from data.parallel import in_parallel
from data.pictures import fit_within, letterbox, open_picture
from data.segment import ClothesModel, grab_cut

PART = 32  # pictures at a time: at 256 pixels a side 6 MiB


def _look(paths: list[str], root: Path, size: int, cut: bool) -> list[np.ndarray]:
    """Pictures as a segmentation sees them, or their masks by GrabCut."""
    cv2.setNumThreads(1)
    images = [fit_within(open_picture(root / path, size), size) for path in paths]
    return [grab_cut(image) for image in images] if cut else images


def write_masks(
    paths: list[str], root: Path, model: ClothesModel | None, segment_size: int, size: int, workers: int, raw: Path
) -> np.ndarray:
    """Find the clothes of pictures.

    Args:
        paths: of readable pictures, N.
        root: the image root.
        model: what finds them; None = GrabCut.
        segment_size: longer side of the pictures that are segmented, pixels.
        size: side of the masks, pixels: that of the pictures that are kept.
        workers: processes that read pictures, and run GrabCut.
        raw: file to write, uint8 N×S×S: 1 where there are clothes; 0 on what fills a picture up to a square.

    Returns:
        The share of each picture that is clothes, float64 N.
    """
    parts = [paths[start : start + PART] for start in range(0, len(paths), PART)]
    look = partial(_look, root=root, size=segment_size, cut=model is None)
    shares: list[float] = []
    with open(raw, "wb") as file:
        for found in in_parallel(look, parts, workers, "clothes of pictures"):
            for mask in found if model is None else model.masks(found):
                shares.append(float(mask.mean()))
                file.write((letterbox(mask.astype(np.uint8) * 255, size, around=0) > 127).astype(np.uint8).tobytes())
    return np.array(shares)
