"""A contact sheet: hits as a grid of pictures with rank, score and title.

Shapes: N pictures, H×W pixels.
"""

import logging
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stylecast.errors import UserError

log = logging.getLogger(__name__)
CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Serif CJK SC", "Noto Serif CJK JP",
    "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Microsoft YaHei",
    "SimHei", "PingFang SC", "Heiti SC", "Hiragino Sans GB", "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip


def chinese_font() -> str | None:
    """Name of an installed font that has Chinese glyphs; None when there is none."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def contact_sheet(found: pd.DataFrame, images: np.ndarray, path: Path, phrase: str = "") -> None:
    """Draw hits as a grid.

    Without a font for Chinese, ids stand in for titles, and the log names the package to install.

    Args:
        found: rank, score, title, picture_id, row (of `images`).
        images: uint8 N×H×W×3 RGB.
        path: the PNG to write.
        phrase: told at the top.

    Raises:
        UserError: the file cannot be written.
    """
    font = chinese_font()
    texts = found["title"].where(found["title"].str.strip() != "", found["picture_id"])
    if font is None and not all(text.isascii() for text in (*texts, phrase)):
        log.warning("no font with Chinese glyphs: the sheet shows ids; install the package fonts-noto-cjk for titles")
        texts, phrase = found["picture_id"], phrase if phrase.isascii() else ""
    across = min(4, max(1, len(found)))
    down = max(1, -(-len(found) // across))
    with matplotlib.rc_context({"font.family": [font or "DejaVu Sans"], "axes.unicode_minus": False}):
        figure = Figure(figsize=(2.2 * across, 2.7 * down + 0.4), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(phrase)
        for place, hit in enumerate(found.itertuples()):
            axes = figure.add_subplot(down, across, place + 1)
            axes.imshow(images[hit.row])
            axes.set_axis_off()
            # $ would start a formula.
            title = "\n".join(textwrap.wrap(str(texts.iloc[place]).replace("$", r"\$"), 14)[:2])
            axes.set_title(f"{hit.rank} · {hit.score:.2f}\n{title}", fontsize=9)
        try:
            figure.savefig(path, format="png")
        except OSError as error:
            raise UserError(f"--out {path}: cannot be written ({error.strerror}); choose another place") from error
