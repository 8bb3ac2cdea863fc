"""What every drawing needs: a font with Chinese glyphs, a quiet look, and files whose bytes no clock changes."""

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
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
INK, QUIET, FAINT = "#222222", "#707070", "#e4e4e4"
# Told apart with any colour vision, dark enough for lines (Wong, 2011; Tol, 2021); neighbours differ in lightness.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#332288", "#999933", "#882255", "#44aa99",
           "#b8860b", "#6a51a3")  # fmt: skip


def _listed_font() -> str | None:
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def chinese_font() -> str | None:
    """Name of an installed font that has Chinese glyphs; None when there is none."""
    if (found := _listed_font()) is not None:
        return found
    # Matplotlib keeps its list from when it first looked: a font that was installed since is not in it.
    listed = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - listed):
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError) as error:
            log.debug("%s: no font that can be used: %s", path, error)
    return _listed_font()


@contextmanager
def look() -> Iterator[None]:
    """The look of all drawings; the rest of the process keeps its own."""
    settings: dict[Any, Any] = {
        "font.family": [chinese_font() or "DejaVu Sans"], "font.size": 9, "axes.unicode_minus": False,
        "text.color": INK, "axes.labelcolor": QUIET, "xtick.color": QUIET, "ytick.color": QUIET,
        "axes.edgecolor": "#b0b0b0", "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 11, "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.grid": False,
        "grid.color": FAINT, "grid.linewidth": 0.6, "axes.axisbelow": True, "xtick.major.width": 0.6,
        "ytick.major.width": 0.6, "svg.hashsalt": "stylecast", "text.parse_math": False,
    }  # fmt: skip
    with matplotlib.rc_context(settings):
        yield


def canvas(width: float, height: float, arranged: bool = True) -> Figure:
    """An empty figure, inches, that no window system knows of; `arranged` makes room for labels by itself."""
    layout: Literal["constrained"] | None = "constrained" if arranged else None
    figure = Figure(figsize=(width, height), dpi=120, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str, svg: bool = True) -> None:
    """Write NAME.png and NAME.svg; the same drawing gives the same bytes.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        figure.savefig(folder / f"{name}.png")
        if svg:
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    except OSError as error:
        raise UserError(f"{folder / name}: cannot be written ({error.strerror}); choose another --out") from error


def labels_of(ids: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """What drawings call the styles: id and name; the id alone where no font has the name's glyphs (told)."""
    if chinese_font() is None and not all(name.isascii() for name in names):
        log.warning("no font with Chinese glyphs: drawings show ids; install the package fonts-noto-cjk for names")
        return {style: style for style in ids}
    return {style: style if name in ("", style) else f"{style} {name}" for style, name in zip(ids, names, strict=True)}


def text_width(text: str) -> float:
    """Width of a text in units of its font size: Chinese letters are as wide as high, others about half."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56 for letter in text)


def shorten(text: str, most: float) -> str:
    """A text cut to a width in units of its font size, with an ellipsis."""
    if text_width(text) <= most:
        return text
    while text and text_width(text) > most - 1:
        text = text[:-1]
    return text.rstrip(" ·") + "…"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near as can be to those wanted, in their order, at least a gap apart, within bounds where they fit.

    Args:
        wanted: places, in rising order.
        gap: least distance between neighbours.
        low: lower bound.
        high: upper bound.
    """
    count = len(wanted)
    if not count:
        return []
    gap = min(gap, (high - low) / max(count - 1, 1))
    # Subtracting the gaps makes it a monotone fit: pools of neighbours take their mean.
    pools: list[tuple[float, int]] = []
    for place, value in enumerate(wanted):
        pools.append((value - place * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (b, m), (a, n) = pools.pop(), pools.pop()
            pools.append(((a * n + b * m) / (n + m), n + m))
    level = [mean for mean, size in pools for _ in range(size)]
    top = high - (count - 1) * gap
    return [min(max(value, low), top) + place * gap for place, value in enumerate(level)]
