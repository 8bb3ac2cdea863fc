"""Command `compare`: what styles could be found in, side by side: pictures, garments, text, or both.

Laptop:   stylecast compare --posts runs/prepare --recall runs/recall --cut-off 2023-01-01 --out runs/compare

Each is fitted as `stylecast styles` would fit it. Told are the number of styles; the silhouette where groups are looked
for and among the vectors themselves; how well runs with other seeds agree (mean ARI of all pairs); how even the styles
are in size; and, where the truth of items is given, ARI and NMI with it on what came after the cut-off (all, if none).

Shapes: N items, S seeds.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from data.splits import parse_cut_off
from data.tables import read_table
from recall.cluster import Clusters
from recall.items import Items, Source
from recall.styles import StylesConfig, fit_items, inputs_of, read_items
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import open_run


@dataclass(frozen=True, kw_only=True)
class CompareConfig(StylesConfig):
    """Compare what styles could be found in."""

    out: Path = Path("runs/compare")
    """Folder of the result."""
    sources: tuple[Source, ...] = ("pictures", "text", "both")
    """What to compare."""
    seeds: int = 5
    """Runs of each, with seeds from --cluster.seed on."""
    truth: Path | None = None
    """Table with `id` (of a picture or of its post) and `style`, as people would have it."""


def evenness(label_N: np.ndarray) -> float:
    """Entropy of the sizes of groups over that of equal sizes, 0..1."""
    share = np.unique(label_N, return_counts=True)[1] / len(label_N)
    return float(-(share * np.log(share)).sum() / np.log(len(share))) if len(share) > 1 else 0.0


def stability(labels_SN: list[np.ndarray]) -> float:
    """Mean agreement (ARI) of all pairs of runs; NaN for one."""
    pairs = [adjusted_rand_score(one, other) for one, other in combinations(labels_SN, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def read_truth(path: Path, items: Items) -> pd.Series:
    """True style of each item, "" where it is not known.

    Raises:
        UserError: the table lacks a column, or tells of no item.
    """
    table, _ = read_table(path)
    if not {"id", "style"} <= set(table):
        raise UserError(f"--truth {path}: needs the columns id and style; it has {', '.join(table.columns)}")
    known = table.drop_duplicates("id").set_index("id")["style"]
    truth = items.table["id"].astype(str).map(known)
    truth = truth.fillna(items.table["post_id"].astype(str).map(known)).fillna("")
    if not (truth != "").any():
        raise UserError(f"--truth {path}: its ids are those of no picture and of no post")
    return truth


def _row(
    source: Source, items: Items, fits: list[Clusters], truth: pd.Series | None, first_N: np.ndarray
) -> dict[str, object]:
    labels = [clusters.predict(items.vectors_ND)[0] for clusters in fits]
    scores = fits[0].scores
    row: dict[str, object] = {
        "source": source, "styles": len(fits[0].centroids_KP), "silhouette_space": scores["silhouette_space"],
        "silhouette_vectors": scores["silhouette_vectors"], "stability": stability(labels),
        "evenness": evenness(labels[0][first_N]), "outliers": scores["outliers"],
    }  # fmt: skip
    if truth is not None:
        judged = (truth != "").to_numpy() & (~first_N if not first_N.all() else True)
        if not judged.any():
            raise UserError("--truth knows nothing that came after the cut-off; leave the cut-off out, or tell more")
        row |= {"ARI": adjusted_rand_score(truth[judged], labels[0][judged]),
                "NMI": normalized_mutual_info_score(truth[judged], labels[0][judged])}  # fmt: skip
    return row


def main(config: CompareConfig) -> str:
    """Compare.

    Returns:
        The table, which is also written: `compare.csv`.

    Raises:
        UserError: as `stylecast styles`; a truth that tells nothing.
    """
    config.check()
    if config.seeds < 1 or not config.sources:
        raise UserError("--seeds must be 1 or more, and --sources name at least one source")
    inputs = inputs_of(config) | ({"truth": config.truth} if config.truth is not None else {})
    with open_run(config.out, "compare", config, inputs, force=config.force, seed=config.cluster.seed) as run:
        if run is not None:
            cut_off = parse_cut_off(config.cut_off)
            rows = []
            for source in config.sources:
                one = replace(config, source=source)
                posts, items = read_items(one, cut_off, run.folder)
                first_N = items.before(cut_off, posts)
                seeds = range(config.cluster.seed, config.cluster.seed + config.seeds)
                each = [replace(one, cluster=replace(config.cluster, seed=seed)) for seed in seeds]
                fits = [fit_items(settings, items, first_N) for settings in each]
                truth = read_truth(config.truth, items) if config.truth is not None else None
                rows.append(_row(source, items, fits, truth, first_N))
            write_csv(pd.DataFrame(rows), run.folder / "compare.csv")
    return pd.read_csv(config.out / "compare.csv").round(3).to_string(index=False)
