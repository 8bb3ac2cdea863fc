"""A contact sheet: hits as a grid of pictures with rank, score and title.

Shapes: N pictures, H×W pixels.
"""

import logging
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from recall.fonts import canvas, chinese_font, look
from stylecast.errors import UserError

log = logging.getLogger(__name__)


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
    with look():
        figure = canvas(2.2 * across, 2.7 * down + 0.4)
        figure.suptitle(phrase)
        for place, hit in enumerate(found.itertuples()):
            axes = figure.add_subplot(down, across, place + 1)
            axes.imshow(images[hit.row])
            axes.set_axis_off()
            title = "\n".join(textwrap.wrap(str(texts.iloc[place]), 14)[:2])
            axes.set_title(f"{hit.rank} · {hit.score:.2f}\n{title}", fontsize=9, loc="center", fontweight="normal")
        try:
            figure.savefig(path, format="png")
        except OSError as error:
            raise UserError(f"--out {path}: cannot be written ({error.strerror}); choose another place") from error
