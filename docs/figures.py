"""The figures of the documentation, one a stage, from a finished run on the sample world.

    python docs/figures.py --run runs/demo/run

Draws what the stages do not draw themselves, and makes the rest small. Needs a font with Chinese glyphs, here and where
the run was made (Debian: fonts-noto-cjk).
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from matplotlib.axes import Axes
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data.posts import Posts
from recall.fonts import COLOURS, QUIET, canvas, chinese_font, look, save
from recall.search import SearchConfig
from recall.search import main as search
from stylecast.cli import guarded
from stylecast.errors import UserError

DRAWN = {
    "styles": "styles/map.png",
    "styles-shares": "styles/shares-panels.png",
    "rank": "ensemble/importance.png",
    "ensemble": "ensemble/fans.png",
    "ensemble-calibration": "ensemble/calibration.png",
}
"""Figures that stages draw: name here, place in the run."""


@dataclass(frozen=True)
class FiguresConfig:
    """Draw the figures of the documentation."""

    run: Path = Path("runs/demo/run")
    """Folder of the whole run."""
    phrase: str = "碎花 连衣裙"
    """What the figure of the search looks for."""
    out: Path = Path("docs/images")
    """Folder of the figures."""


def shrink(source: Path, target: Path, width: int = 1100) -> None:
    """A PNG of at most so many pixels across and 128 colours."""
    with Image.open(source) as image:
        small = image.convert("RGB")
    small.thumbnail((width, 4 * width))
    small.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def _bars(axes: Axes, names: list[str], values: list[float], colour: str) -> None:
    place = np.arange(len(names))[::-1]
    axes.barh(place, values, color=colour, height=0.7)
    axes.set_yticks(place, names)
    axes.tick_params(axis="y", length=0)
    for at, value in zip(place, values, strict=True):
        axes.annotate(f"{value:.3g}", (value, at), (4, 0), textcoords="offset points", va="center", color=QUIET)


def draw_prepare(run: Path, folder: Path) -> None:
    """Pictures as they are kept; and why something was set aside."""
    posts = Posts.load(run / "prepare")
    reasons = pd.read_csv(run / "prepare" / "rejected.csv")["reason"]
    kind = reasons.str.replace(r"[,(:].*", "", regex=True).str.strip()
    counts = kind.str.replace(" that can be used", "").value_counts()
    figure = canvas(9, 3.0, arranged=False)
    figure.text(
        0.01, 0.93, f"{len(posts.table):,} posts, {len(posts.pictures):,} pictures, as they are kept", weight="bold"
    )
    for place, row in enumerate(np.linspace(0, len(posts.images) - 1, 18).astype(int)):
        axes = figure.add_axes((0.01 + place % 6 * 0.088, 0.62 - place // 6 * 0.29, 0.085, 0.28))
        axes.imshow(posts.images[row])
        axes.set_axis_off()
    axes = figure.add_axes((0.82, 0.06, 0.14, 0.8))
    axes.set_title("set aside, each with its line", x=-0.9)
    _bars(axes, counts.index.tolist(), counts.astype(float).tolist(), COLOURS[5])
    axes.set_xticks([])
    save(figure, folder, "prepare", svg=False)


def _scalars(folder: Path, name: str) -> tuple[list[int], list[float]]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    told = events.Scalars(name)
    return [event.step for event in told], [event.value for event in told]


def draw_pretrain(run: Path, folder: Path) -> None:
    """Losses and validation of the pretraining, and how well its commonest tags are told."""
    figure = canvas(9, 3.2)
    losses, valid, tags = figure.subplots(1, 3)
    for number, name in enumerate(("captions", "tags")):
        step, value = _scalars(run / "pretrain", f"loss/{name}")
        smooth = pd.Series(value).ewm(span=max(len(value) / 20, 1)).mean()
        losses.plot(step, smooth, color=COLOURS[number], label=name)
    losses.set_title("loss by step")
    losses.legend(frameon=False)
    step, value = _scalars(run / "pretrain", "valid/tag_map")
    valid.plot(step, value, color=COLOURS[2], marker="o", markersize=3)
    valid.set_title("mAP of tags, held-out pictures")
    valid.set_ylim(0, 1.1 * max(value))
    table = pd.read_csv(run / "pretrain" / "tags.csv").nlargest(12, "count")
    tags.set_title("average precision of tags")
    _bars(tags, table["word"].tolist(), table["average_precision"].tolist(), COLOURS[0])
    tags.set_xticks([])
    save(figure, folder, "pretrain", svg=False)


def main(config: FiguresConfig) -> str:
    """Draw all of them.

    Raises:
        UserError: a stage's figure is missing, or there is no font for Chinese.
    """
    if chinese_font() is None:
        raise UserError("no font with Chinese glyphs: install fonts-noto-cjk")
    config.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with look():
            draw_prepare(config.run, folder)
            draw_pretrain(config.run, folder)
        search(SearchConfig(run=config.run, phrase=config.phrase, k=8, out=folder / "recall.png"))
        for name in ("prepare", "pretrain", "recall"):
            shrink(folder / f"{name}.png", config.out / f"{name}.png")
    for name, drawn in DRAWN.items():
        if not (config.run / drawn).is_file():
            raise UserError(f"{config.run / drawn}: missing; run its stage without --no-figures")
        shrink(config.run / drawn, config.out / f"{name}.png")
    return "\n".join(str(config.out / f"{name}.png") for name in ("prepare", "pretrain", "recall", *DRAWN))


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(tyro.cli(FiguresConfig)), verbose=False))
