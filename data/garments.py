"""The clothing of every picture of a corpus: a mask beside each picture, its share, and what a threshold removes.

Shapes: N pictures, H×W pixels, S pixels a side.
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data.parallel import in_parallel
from data.pictures import fit_within, letterbox, open_picture
from data.segment import ClothesModel, grab_cut

PART = 32  # pictures at a time: at 256 pixels a side 6 MiB
CSV, CURVE, FIGURE = "garment.csv", "garment_curve.csv", "garment_curve"


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


def report_garments(rows: pd.DataFrame, threshold: float, folder: Path) -> None:
    """Write `garment.csv` (the share of clothes of each picture) and what a threshold removes, as a table and a figure.

    Args:
        rows: picture_id, post_id, path, garment; readable pictures.
        threshold: the one that was used.
        folder: of the run.
    """
    share_N = rows["garment"].to_numpy()
    kept = rows[["picture_id", "post_id", "path", "garment"]].assign(kept=share_N >= threshold)
    kept.to_csv(folder / CSV, index=False, float_format="%.4f")
    levels = np.unique(np.append(np.linspace(0, 1, 101), threshold).round(6))
    removed = np.searchsorted(np.sort(share_N), levels, side="left")
    curve = pd.DataFrame({"threshold": levels, "removed": removed, "removed_share": removed / max(len(rows), 1)})
    curve.to_csv(folder / CURVE, index=False, float_format="%.6g")
    draw_curve(share_N, curve, threshold, folder)


def draw_curve(share_N: np.ndarray, curve: pd.DataFrame, threshold: float, folder: Path) -> None:
    """Draw what each threshold removes, above how the shares are spread, as PNG and SVG.

    Args:
        share_N: of clothes.
        curve: threshold, removed_share.
        threshold: the one that was used.
        folder: where to.
    """
    # Without a salt and with a date, two drawings of the same would be two files.
    with rc_context({"svg.hashsalt": "stylecast", "font.family": ["DejaVu Sans"], "font.size": 10}):
        figure = Figure(figsize=(7.2, 5.2), dpi=130, layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        above.plot(100 * curve["threshold"], 100 * curve["removed_share"], color="#1f4e79", linewidth=2)
        lost = 100 * float((share_N < threshold).mean()) if len(share_N) else 0.0
        above.axvline(100 * threshold, color="#c0392b", linestyle="--", linewidth=1.2)
        above.plot([100 * threshold], [lost], "o", color="#c0392b")
        found = f"under {100 * threshold:g}%, {lost:.1f}% of {len(share_N):,} pictures"
        above.set(ylabel="pictures removed, %", ylim=(-3, 103), title=f"What a threshold of clothing removes: {found}")
        below.hist(100 * share_N, bins=np.linspace(0, 100, 51), color="#7f9fbf")
        below.axvline(100 * threshold, color="#c0392b", linestyle="--", linewidth=1.2)
        below.set(xlabel="clothing in a picture = threshold, % of its pixels", ylabel="pictures", xlim=(0, 100))
        for axes in (above, below):
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(folder / f"{FIGURE}.png", metadata={"Software": None})
        figure.savefig(folder / f"{FIGURE}.svg", metadata={"Date": None})
