"""New posts scored by a finished run: its models forecast from the longer history, weighed as its ensemble weighs them.

Shapes: as in `rank.later`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.panel_seen import divided
from data.posts import Posts
from data.windows import Target, origin_days
from ensemble.combine import forecast_frame
from ensemble.combined import load_combined
from ensemble.train import EnsembleConfig
from rank.bags import Bags, Vectors
from rank.later import Later, forecast_later
from rank.modalities import Modality, Sources, bags_from, choose_modalities, panel_read, read_vectors
from rank.stored import load_backtest
from rank.style_vectors import style_vectors
from rank.train import RankConfig
from recall.style_tables import PANEL
from recall.take_in import Taken
from stylecast.runs import load_config


def _sources(folders: Mapping[str, Path], work: Path | None = None) -> Sources:
    """Where vectors of the run's posts lie, or, with `work`, those of the new ones."""
    new = {"recall": "recall", "garment recall": "garment"}
    recall, garment = (
        None if name not in folders else folders[name] if work is None else work / new[name] for name in new
    )
    posts = folders["prepare"] if work is None else work / "prepare"
    return Sources(styles=folders["styles"], posts=posts, recall=recall, garment=garment)


def _bags(folders: Mapping[str, Path], taken: Taken, work: Path, config: RankConfig) -> Bags | None:
    """The sets of all posts, as the run's fusion-LSTM reads them; None where it reads numbers alone."""
    sources = _sources(folders)
    read = choose_modalities(config.modalities, sources, taken.panel)
    if "fusion-lstm" not in config.members or read == ("numbers",):
        return None
    before = read_vectors(sources, Posts.load(folders["prepare"]), read)
    after = read_vectors(_sources(folders, work), taken.posts, read)
    vectors: dict[Modality, Vectors] = {
        side: (np.concatenate([ids, after[side][0]]), np.concatenate([vectors_ND, after[side][1]]))
        for side, (ids, vectors_ND) in before.items()
    }
    return bags_from(taken.assignments, taken.table, taken.pictures, taken.panel, vectors, "numbers" in read)


def rescored(
    folders: Mapping[str, Path], taken: Taken, work: Path, origins: pd.DatetimeIndex
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What a run says of origins from its latest on, once new posts are counted.

    Args:
        folders: of the run's stages, `rank` and `ensemble` among them.
        taken: its posts and the new ones.
        work: the folder that `take_in` wrote to.
        origins: days of the panel.

    Returns:
        The noun `Forecast` for these origins, and the reasons of LightGBM, None without.

    Raises:
        UserError: the run was made by an earlier version, which kept too little.
    """
    config = load_config(folders["rank"], RankConfig)
    before = load_backtest(folders["rank"], Panel.read(folders["styles"] / PANEL, granularity="day"))
    read = choose_modalities(config.modalities, _sources(folders), taken.panel)
    later: Later = forecast_later(
        folders["rank"], before, panel_read(divided(taken.panel, config.partition), read), origins,
        style_vectors(folders["styles"], taken.panel.styles), _bags(folders, taken, work, config),
    )  # fmt: skip
    level = load_config(folders["ensemble"], EnsembleConfig).interval
    frame = forecast_frame(later.backtest, load_combined(folders["ensemble"]), later.backtest.split.all, level)
    return frame, later.reasons


def later_origins(panel: Panel, target: Target, latest: pd.Timestamp) -> pd.DatetimeIndex:
    """The origins of a longer panel from a run's latest on: ends of whole months, or for a target of days every day."""
    days = panel.days if target.kind == "days" else origin_days(panel, target)
    return pd.DatetimeIndex(days[days >= latest])
