"""What finds styles, and what it costs: each contender runs in a process of its own.

Shapes: N vectors, D dimensions.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stylecast.errors import UserError


@dataclass(frozen=True)
class Task:
    """What a contender is given."""

    vectors_ND: np.ndarray
    """May be memory-mapped."""
    first_N: np.ndarray
    """Which rows may be learnt from."""
    texts: list[str]
    """Words of each row, spaces between; BERTopic asks for texts even where vectors are given."""
    k: int
    """Number of clusters, for those that must be told."""
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a contender made of it."""

    labels_N: np.ndarray
    """-1 = outlier."""
    seconds: float
    """On the clock, imports not counted."""
    cpu_seconds: float
    """Of all its threads; on a busy machine the fairer figure."""
    peak_mib: float
    """Largest memory of its process."""


def ours(task: Task) -> np.ndarray:
    """`stylecast styles --vectors`, as it is by default."""
    from recall.cluster import ClusterConfig, content_keys, fit_clusters

    early_ND = task.vectors_ND if task.first_N.all() else task.vectors_ND[task.first_N]
    clusters = fit_clusters(content_keys(early_ND), early_ND, ClusterConfig(seed=task.seed))
    return clusters.predict(task.vectors_ND)[0]


def plain_kmeans(task: Task) -> np.ndarray:
    """scikit-learn's k-means with as many clusters as ours found, on the same vectors."""
    from sklearn.cluster import KMeans

    found = KMeans(task.k, n_init=10, random_state=task.seed).fit(task.vectors_ND[task.first_N])
    return np.asarray(found.predict(task.vectors_ND))


def bertopic(task: Task) -> np.ndarray:
    """BERTopic with its defaults (UMAP, HDBSCAN), given the same vectors."""
    try:
        from bertopic import BERTopic
        from bertopic.backend import BaseEmbedder
        from sklearn.feature_extraction.text import CountVectorizer
        from umap import UMAP
    except ImportError as error:
        raise UserError(f"BERTopic is not installed ({error}): pip install 'stylecast[benchmark]'") from error

    def named(rows: np.ndarray) -> list[str]:
        return [task.texts[row] or "nothing" for row in rows]

    # Its own UMAP but for the seed, without which two runs differ.
    space = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=task.seed)
    model = BERTopic(
        embedding_model=BaseEmbedder(), umap_model=space, vectorizer_model=CountVectorizer(token_pattern=r"\S+"),
        calculate_probabilities=False,
    )  # fmt: skip
    early, late = np.flatnonzero(task.first_N), np.flatnonzero(~task.first_N)
    labels_N = np.full(len(task.first_N), -1)
    labels_N[early] = model.fit_transform(named(early), np.asarray(task.vectors_ND[early], np.float32))[0]
    if len(late):
        labels_N[late] = model.transform(named(late), np.asarray(task.vectors_ND[late], np.float32))[0]
    return labels_N


CONTENDERS: dict[str, Callable[[Task], np.ndarray]] = {"ours": ours, "k-means": plain_kmeans, "BERTopic": bertopic}


def run_apart(name: str, task: Task) -> Outcome:
    """Run a contender in a fresh process and measure it there."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        where = folder / "vectors.npy"
        if isinstance(task.vectors_ND, np.memmap) and task.vectors_ND.filename is not None:
            where = Path(task.vectors_ND.filename)
        else:
            np.save(where, task.vectors_ND)
        np.save(folder / "first.npy", task.first_N)
        pd.DataFrame({"text": task.texts}).to_parquet(folder / "texts.parquet")
        told = {"name": name, "vectors": str(where), "k": task.k, "seed": task.seed}
        (folder / "task.json").write_text(json.dumps(told), encoding="utf-8")
        ended = subprocess.run([sys.executable, __file__, made], check=False)
        if ended.returncode:
            raise UserError(f"{name} failed; what was wrong stands above")
        cost = json.loads((folder / "cost.json").read_text(encoding="utf-8"))
        return Outcome(np.load(folder / "labels.npy"), **cost)


def _peak_mib() -> float:
    # getrusage would tell the largest of this process and of the one that started it.
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(told.partition("VmHWM:")[2].split()[0]) / 1024


def _apart(folder: Path) -> None:
    told = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    texts = pd.read_parquet(folder / "texts.parquet")["text"].tolist()
    vectors_ND = np.load(told["vectors"], mmap_mode="r")
    task = Task(vectors_ND, np.load(folder / "first.npy"), texts, told["k"], told["seed"])
    clock, cpu = time.perf_counter(), time.process_time()
    labels_N = CONTENDERS[told["name"]](task)
    cost = {
        "seconds": time.perf_counter() - clock,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": _peak_mib(),
    }
    np.save(folder / "labels.npy", labels_N)
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


if __name__ == "__main__":
    _apart(Path(sys.argv[1]))
