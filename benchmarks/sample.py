"""What a run on the sample world found, held against the truth: styles, search, forecasts.

    python benchmarks/sample.py --world runs/demo/world --run runs/demo/run

Styles: agreement of found and true styles of pictures after the cut-off (ARI, NMI), beside k-means on raw pixels
with the true number of styles. Search: NDCG@5 on pools of 30 later pictures, three of which are of the style that
the phrase describes, beside a random order. Forecasts: errors on the test origins, beside the best rung of the
ladder and an oracle that knows the process but not the noise.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from data.panel import Panel
from data.posts import Posts
from data.splits import parse_cut_off
from data.windows import Target
from recall.metrics import ndcg
from recall.search import Searcher
from stylecast.cli import guarded
from stylecast.runs import load_manifest

POOLS, POOL, RELEVANT = 40, 30, 3  # pools a style; pictures of a pool; of them, of the asked style


@dataclass(frozen=True)
class BenchmarkConfig:
    """Hold a run on the sample world against the truth."""

    world: Path = Path("runs/demo/world")
    """Folder of the sample world."""
    run: Path = Path("runs/demo/run")
    """Folder of `stylecast run` on it."""
    seed: int = 0
    """Seed of the pools and of k-means on pixels."""


def true_styles(world: Path, posts: Posts) -> np.ndarray:
    """True style of each picture, as text."""
    truth = pd.read_csv(world / "truth" / "pictures.csv").set_index("path")["style"]
    return truth.loc[posts.pictures["path"]].to_numpy(str)


def style_rows(
    config: BenchmarkConfig, posts: Posts, truth_N: np.ndarray, later_N: np.ndarray
) -> list[tuple[str, ...]]:
    """Agreement with the truth of the found styles, and of k-means on pixels."""
    found = pd.read_parquet(config.run / "styles" / "assignments.parquet").set_index("id")["style"]
    found_N = found.loc[posts.pictures["picture_id"]].to_numpy(str)
    early = np.flatnonzero(~later_N)[:: max(1, int((~later_N).sum() // 4000))]
    pixels_ND = posts.images.reshape(len(posts.images), -1)
    means = KMeans(len(np.unique(truth_N)), n_init=1, random_state=config.seed).fit(pixels_ND[early].astype(np.float32))
    rows = np.flatnonzero(later_N)
    pixel_N = np.concatenate([means.predict(pixels_ND[p].astype(np.float32)) for p in np.array_split(rows, 20)])
    return [
        (name, str(len(np.unique(labels))), f"{adjusted_rand_score(truth_N[rows], labels):.3f}",
         f"{normalized_mutual_info_score(truth_N[rows], labels):.3f}")
        for name, labels in (("stylecast", found_N[rows]), ("k-means on pixels, true k", pixel_N))
    ]  # fmt: skip


def search_rows(config: BenchmarkConfig, truth_N: np.ndarray, later_N: np.ndarray) -> list[tuple[str, ...]]:
    """NDCG@5 of the styles' phrases on pools of later pictures: median over styles, and their quartiles."""
    styles = pd.read_csv(config.world / "truth" / "styles.csv")
    searcher = Searcher.load(config.run / "recall")
    rng = np.random.default_rng(config.seed)
    told: dict[str, list[float]] = {"word": [], "sentence": [], "blend": [], "random": []}
    for style, phrase in zip(styles["style"], styles["query"], strict=True):
        own, others = np.flatnonzero(later_N & (truth_N == style)), np.flatnonzero(later_N & (truth_N != style))
        if len(own) < RELEVANT:
            continue
        numbers = searcher.models.encode(phrase)
        values: dict[str, list[float]] = {name: [] for name in told}
        for _ in range(POOLS):
            rows = np.concatenate([rng.choice(own, RELEVANT, False), rng.choice(others, POOL - RELEVANT, False)])
            relevant = (np.arange(POOL) < RELEVANT)[None]
            found = searcher.score(numbers, rows)
            columns = {"word": "word_score", "sentence": "sentence_score", "blend": "score"}
            scores = {name: found[column].to_numpy()[None] for name, column in columns.items()}
            scores["random"] = rng.random((1, POOL))
            for name, score in scores.items():
                values[name].append(float(np.mean(ndcg(score, relevant))))
        for name in told:
            told[name].append(float(np.mean(values[name])))
    quartiles = {name: np.quantile(v, [0.5, 0.25, 0.75]) for name, v in told.items()}
    return [(name, f"{np.mean(told[name]):.3f}", *(f"{q:.3f}" for q in quartiles[name])) for name in told]


def oracle_mae(config: BenchmarkConfig, posts: Posts, truth_N: np.ndarray) -> float:
    """Error of an oracle on the test origins: expected true shares, carried over to the found styles.

    How the pictures of a true style divide among the found ones, and how many of them are emerging and not counted, is
    told over the whole feed: like the process itself, that is known to the oracle alone. Days count by their posts.
    """
    assignments = pd.read_parquet(config.run / "styles" / "assignments.parquet").set_index("id")
    mine = assignments.loc[posts.pictures["picture_id"]]
    panel = Panel.read(config.run / "styles" / "panel.parquet", granularity="day")
    found = mine["style"].mask(mine["emerging"]).fillna("").to_numpy(str)
    divided = pd.crosstab(truth_N, found, normalize="index").reindex(columns=list(panel.styles), fill_value=0)
    shares = pd.read_csv(config.world / "truth" / "shares.csv", parse_dates=["date"])
    expected = shares.pivot(index="date", columns="style", values="expected_share")[list(divided.index)]
    carried = expected.to_numpy() @ divided.to_numpy()
    by_found = pd.DataFrame(carried / carried.sum(axis=1, keepdims=True), expected.index, divided.columns)
    forecast = pd.read_parquet(config.run / "ensemble" / "forecast.parquet")
    latest = forecast["origin"].max()
    rows = forecast[(forecast["model"] == "ensemble") & (forecast["origin"] < latest)]
    errors = []
    for (start, end), group in rows.groupby(["target_start", "target_end"]):
        first, last = panel.index(start), panel.index(end) + 1
        realised = panel.count_ST[:, first:last].sum(axis=1) / panel.total_T[first:last].sum()
        at = [panel.styles.index(style) for style in group["style"]]
        told = np.average(by_found.loc[start:end], axis=0, weights=panel.total_T[first:last])
        errors.append(np.abs(told[at] - realised[at]))
    return float(np.concatenate(errors).mean())


def table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [title, "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def spread(values: list[float], form: str) -> str:
    """Median, least and most; empty where nothing was measured."""
    if np.isnan(values).any():
        return ""
    told = form.format(np.median(values))
    if form.format(min(values)) != form.format(max(values)):
        told += f" ({form.format(min(values))}-{form.format(max(values))})"
    return told


def main(config: BenchmarkConfig) -> str:
    """The tables, as text."""
    for stage in ("recall", "styles", "ensemble"):
        load_manifest(config.run / stage, stage)
    posts = Posts.load(config.run / "prepare")
    truth_N = true_styles(config.world, posts)
    named = pd.read_csv(config.world / "truth" / "styles.csv")["style"]
    cut_off = parse_cut_off(json.loads((config.run / "styles" / "config.json").read_text())["cut_off"])
    times = posts.table.set_index("post_id")["time"]
    later_N = (times.loc[posts.pictures["post_id"]] >= cut_off).to_numpy()
    metrics = pd.read_csv(config.run / "ensemble" / "metrics.csv")
    test = metrics[metrics["split"] == "test"]
    backtest = [
        (r["model"], f"{100 * r['mae']:.3f}", f"{100 * r['skill']:.1f}%", f"{r['spearman_growth']:.2f}",
         f"{100 * r['coverage']:.0f}%")
        for _, r in test.iterrows()
    ]  # fmt: skip
    oracle = oracle_mae(config, posts, truth_N)
    backtest.append(("oracle (knows the process, not the noise)", f"{100 * oracle:.3f}", "", "", ""))
    phrases = int((pd.Series(truth_N[later_N]).value_counts() >= RELEVANT).reindex(named, fill_value=False).sum())
    target = Target.parse(json.loads((config.run / "rank" / "config.json").read_text())["target"])
    return "\n".join(
        [
            table(f"Styles of {later_N.sum()} pictures after the cut-off", ("", "styles", "ARI", "NMI"),
                  style_rows(config, posts, truth_N, later_N)),
            table(f"Search: NDCG@5 of {phrases} phrases, pools of 30 later pictures, 3 relevant",
                  ("score", "mean", "median style", "lower quartile", "upper quartile"),
                  search_rows(config, truth_N, later_N)),
            table(f"Backtest, test origins, target {target}",
                  ("model", "MAE, points of share", "skill", "Spearman of growth", "80% interval held"), backtest),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(tyro.cli(BenchmarkConfig, description=__doc__)), verbose=True))
