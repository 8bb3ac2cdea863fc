"""How well styles are found: agreement with the truth, stability, time and memory, against what people use.

    pip install -e '.[cpu,benchmark]'
    python benchmarks/styles.py --data ../shared/data --out runs/styles_benchmark       (an hour on 2 cores)
    python benchmarks/styles.py --sets sample --seeds 2
    python benchmarks/styles.py --sets scale --scale 200000 1000000
    python benchmarks/styles.py --sets continuity

Every contender gets the same vectors, in a process of its own. k-means (scikit-learn, ten starts) is told the number
that ours found; BERTopic runs with its defaults. sample: the sample world, fitted before the cut-off and judged after
it, from pictures, from text, and from both. clothing: ten classes, judged on the test split. weibo: titles, judged on
those that name one topic. Agreement is the median (least to most) over seeds; `seeds` is the mean ARI between runs with
different seeds, `shuffle` the ARI between a run and one on shuffled rows. The least figures of time and memory over the
seeds are told.

scale: made-up vectors of 256 dimensions in 100 groups. continuity: the sample world, fitted once and again two months
later with --previous; of the styles that go on, how many kept their id.
"""

import logging
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import tyro
from sample import table
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from style_contenders import Outcome, Task, run_apart
from style_sets import Set, clothing_sets, sample_sets, weibo_sets

from data.splits import parse_cut_off
from recall.styles import StylesConfig
from recall.styles import main as styles
from stylecast.cli import guarded
from stylecast.config import read_config
from stylecast.logs import set_up_logging

log = logging.getLogger(__name__)
HEADS = ("", "NMI", "ARI", "styles", "outliers", "evenness", "seeds", "shuffle", "s", "CPU s", "MiB")
AGREEMENT = {"NMI": normalized_mutual_info_score, "ARI": adjusted_rand_score}
MONTHS = 2


@dataclass(frozen=True)
class BenchmarkConfig:
    """Find styles, and compare."""

    sets: tuple[str, ...] = ("sample", "clothing", "weibo", "scale", "continuity")
    """What to measure."""
    sources: tuple[Literal["pictures", "text", "both"], ...] = ("pictures", "text", "both")
    """What the styles of `sample` are found in."""
    contenders: tuple[str, ...] = ("ours", "k-means", "BERTopic")
    """Whom to compare; ours must be the first, since it tells the others how many clusters."""
    seeds: int = 5
    """Seeds of each contender."""
    scale: tuple[int, ...] = (200_000, 1_000_000)
    """Numbers of made-up vectors; above 200,000 only ours runs."""
    world: Path = Path("runs/demo/world")
    """Folder of the sample world."""
    run: Path = Path("runs/demo/run")
    """Folder of `stylecast run` on it."""
    data: Path = Path("data")
    """Folder that holds clothing/ and weibo/."""
    out: Path = Path("runs/styles_benchmark")
    """Folder for prepared data, made once, and for results.csv."""


def evenness(labels_N: np.ndarray) -> float:
    """Entropy of the sizes over that of equal sizes, 0..1; outliers not counted."""
    share = np.unique(labels_N[labels_N >= 0], return_counts=True)[1] / max(1, (labels_N >= 0).sum())
    return float(-(share * np.log(share)).sum() / np.log(len(share))) if len(share) > 1 else 0.0


def judge(found: Set, name: str, runs: list[Outcome], shuffled_N: np.ndarray) -> dict[str, object]:
    """Figures of one contender on one set; agreement is median, least and most over seeds, outliers are a cluster."""
    truth, rows = found.truth_N[found.judged_N], found.judged_N
    agreement: dict[str, object] = {}
    for head, score in AGREEMENT.items():
        seen = [float(score(truth, run.labels_N[rows])) for run in runs]
        agreement |= {head: float(np.median(seen)), f"{head} least": min(seen), f"{head} most": max(seen)}
    pairs = [adjusted_rand_score(a.labels_N, b.labels_N) for a, b in combinations(runs, 2)]
    first = runs[0].labels_N
    return {
        "set": found.name, "source": found.source, "contender": name,
        **agreement,
        "styles": len(np.unique(first[first >= 0])), "outliers": float((first < 0).mean()),
        "evenness": evenness(first), "seeds": float(np.mean(pairs)) if pairs else float("nan"),
        "shuffle": float(adjusted_rand_score(first, shuffled_N)),
        "s": min(r.seconds for r in runs), "CPU s": min(r.cpu_seconds for r in runs),
        "MiB": min(r.peak_mib for r in runs),
    }  # fmt: skip


def run_set(config: BenchmarkConfig, found: Set) -> list[dict[str, object]]:
    """All contenders on one set."""
    order = np.random.default_rng(0).permutation(len(found.vectors_ND))
    rows: list[dict[str, object]] = []
    k = 0
    for name in config.contenders:
        tasks = [Task(found.vectors_ND, found.first_N, found.texts, k, seed) for seed in range(config.seeds)]
        runs = [run_apart(name, task) for task in tasks]
        k = k or len(np.unique(runs[0].labels_N))
        moved = Task(found.vectors_ND[order], found.first_N[order], [found.texts[i] for i in order], k, 0)
        shuffled_N = np.empty(len(order), np.int64)
        shuffled_N[order] = run_apart(name, moved).labels_N
        rows.append(judge(found, name, runs, shuffled_N))
        log.warning("%s", rows[-1])
    return rows


def told(rows: pd.DataFrame, title: str) -> str:
    """A table of one set."""
    lines = [
        (f"{r['contender']}, {r['source']}",
         *(f"{r[head]:.3f} ({r[f'{head} least']:.3f} to {r[f'{head} most']:.3f})" for head in AGREEMENT),
         str(r["styles"]), f"{100 * r['outliers']:.0f}%", f"{r['evenness']:.2f}", f"{r['seeds']:.2f}",
         f"{r['shuffle']:.3f}", f"{r['s']:.0f}", f"{r['CPU s']:.0f}", f"{r['MiB']:.0f}")
        for _, r in rows.iterrows()
    ]  # fmt: skip
    return table(title, HEADS, lines)


def made_up(count: int, folder: Path) -> np.ndarray:
    """Memory-mapped unit vectors of 256 dimensions in 100 groups, float32; written in parts."""
    path = folder / f"vectors-{count}.npy"
    if not path.exists():
        rng = np.random.default_rng(0)
        centre_KD = rng.normal(size=(100, 256)).astype(np.float32)
        vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, 256))
        for start in range(0, count, 50_000):
            size = min(50_000, count - start)
            part = centre_KD[rng.integers(0, 100, size)] + 1.5 * rng.standard_normal((size, 256), np.float32)
            vectors[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
        vectors.flush()
    mapped: np.ndarray = np.load(path, mmap_mode="r")
    return mapped


def scale_rows(config: BenchmarkConfig) -> str:
    """Time and memory on many vectors."""
    lines = []
    for count in config.scale:
        vectors_ND = made_up(count, config.out)
        for name in config.contenders if count <= 200_000 else ("ours",):
            if name == "k-means":
                continue
            # BERTopic cannot weigh a vocabulary of one word.
            texts = [f"word{number % 50}" for number in range(count)]
            task = Task(vectors_ND, np.ones(count, bool), texts, 0, 0)
            cost = run_apart(name, task)
            lines.append((f"{count:,}", name, str(len(np.unique(cost.labels_N[cost.labels_N >= 0]))),
                          f"{cost.seconds:.0f}", f"{cost.cpu_seconds:.0f}", f"{cost.peak_mib:.0f}"))  # fmt: skip
            log.warning("%s", lines[-1])
    return table("Scale: vectors of 256 dimensions", ("vectors", "", "styles", "s", "CPU s", "MiB"), lines)


def continuity(config: BenchmarkConfig) -> str:
    """Fit on the sample world, and again two months later: how many styles that go on keep their id."""
    first = read_config(config.run / "styles" / "config.json", StylesConfig)
    base = {**vars(first), "posts": config.run / "prepare", "recall": config.run / "recall", "figures": False}
    start = parse_cut_off(first.cut_off)
    assert start is not None
    cut_offs = [str((start + pd.DateOffset(months=m)).date()) for m in (0, MONTHS)]
    old = styles(StylesConfig(**{**base, "cut_off": cut_offs[0], "out": config.out / "before", "force": True}))
    grown = {"cut_off": cut_offs[1], "out": config.out / "after", "previous": old, "force": True}
    new = styles(StylesConfig(**{**base, **grown}))
    one, two = (pd.read_parquet(run / "assignments.parquet").set_index("id") for run in (old, new))
    shared = one.index[(one["time"] < start) & ~one["emerging"]]
    count = pd.crosstab(one.loc[shared, "style"], two.loc[shared, "style"])
    # It goes on where more than half of either is the other.
    heir = count.idxmax(axis=1)
    both = [count.loc[a, b] > max(count.loc[a].sum(), count[b].sum()) / 2 for a, b in heir.items()]
    going = heir[both]
    kept = int((going.index == going.to_numpy()).sum())
    return (
        f"Continuity: {len(count)} styles before {cut_offs[0]}, {two['style'].nunique()} before {cut_offs[1]}; "
        f"{len(going)} go on, {kept} of them ({kept / max(1, len(going)):.0%}) under their id\n"
    )


def main(config: BenchmarkConfig) -> str:
    """Measure and tell; every figure is in results.csv."""
    set_up_logging(-1, is_main=True)
    config.out.mkdir(parents=True, exist_ok=True)
    makers = {
        "sample": lambda: [
            found
            for found in sample_sets(config.world, config.run, config.out / "sample")
            if found.source in config.sources
        ],
        "clothing": lambda: clothing_sets(config.data, config.out / "clothing"),
        "weibo": lambda: weibo_sets(config.data, config.out / "weibo"),
    }
    parts, rows = [], []
    for name in config.sets:
        if name in makers:
            found = [row for one in makers[name]() for row in run_set(config, one)]
            rows += found
            parts.append(told(pd.DataFrame(found), f"Styles of {name}"))
    if rows:
        pd.DataFrame(rows).to_csv(config.out / "results.csv", index=False)
    if "scale" in config.sets:
        parts.append(scale_rows(config))
    if "continuity" in config.sets:
        parts.append(continuity(config))
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(tyro.cli(BenchmarkConfig, description=__doc__)), verbose=True))
