"""Pictures side by side on one PNG, so that a person can judge what a search found.

Shapes: K pictures, H×W pixels.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

log = logging.getLogger(__name__)

CHINESE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei",
                 "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")  # fmt: skip
COLUMNS = 8


def chinese_font() -> str | None:
    """Name of a font on this system that has Chinese glyphs; None when there is none."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in known), None)


def drawable(labels: Sequence[str], fallbacks: Sequence[str]) -> list[str]:
    """The labels, or, where no font can draw them, the fallbacks (told in the log)."""
    if chinese_font() or all(label.isascii() for label in labels):
        return list(labels)
    log.warning("no font with Chinese glyphs: labels are ids (Debian: apt-get install fonts-noto-cjk)")
    return list(fallbacks)


def draw_contact_sheet(images: Sequence[np.ndarray], labels: Sequence[str], title: str, path: Path) -> None:
    """Draw pictures in rows of eight, each with its label below.

    Args:
        images: K uint8 H×W×3.
        labels: one a picture; may hold line breaks.
        title: heading of the sheet.
        path: of the PNG.
    """
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.6 * columns, 2.15 * rows + 0.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    font = chinese_font()
    family = {"family": [font, "DejaVu Sans"]} if font else {}
    figure.suptitle(title, fontsize=12, **family)
    grid = figure.subplots(rows, columns, squeeze=False)
    for place in grid.flat:
        place.axis("off")
    for place, image, label in zip(grid.flat, images, labels, strict=False):
        place.imshow(image, interpolation="nearest")
        place.set_title(label, y=-0.02, va="top", fontsize=8, **family)
    figure.savefig(path)
