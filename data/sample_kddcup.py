"""Files like those of KDD Cup 2020 Multimodalities Recall, made up from a seed, with every answer known.

    stylecast kddcup-sample --out runs/kddcup-sample            # 4,000 pairs, 2 × 100 pools: 0.26 GB, 5 s
    stylecast kddcup-sample --out runs/tiny --pairs 300 --pools 20

A product has latent attributes (kind, colour, pattern, material, a number of pieces). Its boxes show them: the main
one all of them, the others some, and a few are of something else. A query names some attributes in English, in one of
several words each, with or without a quote character. It is answered by the products of its pool that have all of
them. Pools recur as in the real set: of the rows whose product stands in one pool alone 39% are answers, of the others
0.8%, so that pools tell about answers what no picture does.

    train.tsv                    one query a row, with a product that answers it; products recur
    valid.tsv, testB.tsv         pools: one candidate a row
    valid_answer.json            {query_id: [product_id, …]}
    truth/testB_answer.json      the test's answers, for measuring
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.kddcup_files import COLUMNS, FEATURES, LABELS, Row, format_row
from data.sample_kddcup_pools import Pool, draw_pools
from data.sample_kddcup_world import ATTRIBUTES, SIZES, draw_products, draw_query, phrase
from stylecast.errors import UserError
from stylecast.logs import progress
from stylecast.runs import Run, open_run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KddCupSampleConfig:
    """How large the made-up files are."""

    out: Path = Path("runs/kddcup-sample")
    """Folder to write."""
    pairs: int = 4000
    """Rows of the training file, 50 to 3,000,000."""
    pools: int = 100
    """Queries of the validation and of the test file each, 5 to 10,000."""
    boxes: float = 3.0
    """Mean boxes of a product, 1 to 20; a row takes 11 KB a box."""
    noise: float = 4.0
    """Standard deviation of what is random in a feature; that of what attributes cause is 1."""
    seed: int = 0
    """Seed of everything; the same seed gives the same bytes."""
    force: bool = False
    """Write even what lies there already."""


class _Shelf:
    """Products with their boxes, drawn when they are written: a product's boxes follow from its number."""

    def __init__(self, attributes_NA: np.ndarray, first: int, config: KddCupSampleConfig) -> None:
        self.attributes_NA, self.first, self.config = attributes_NA, first, config
        rng = np.random.default_rng([config.seed, 1])
        # What an attribute's value adds to the features of a box that shows it.
        self.signature = rng.normal(0, 1, (sum(SIZES), FEATURES)).astype(np.float32)
        self.starts_A = np.concatenate([[0], np.cumsum(SIZES)[:-1]])

    def row(self, number: int, query: str, query_id: int) -> Row:
        """A product under a query."""
        rng = np.random.default_rng([self.config.seed, 2, self.first + number])
        height, width = (int(v) for v in rng.integers(200, 900, 2))
        count = min(20, 1 + int(rng.poisson(self.config.boxes - 1)))
        shown_nA = rng.random((count, len(SIZES))) < 0.6
        shown_nA[0] = True  # the main box
        attributes_nA = np.tile(self.attributes_NA[number], (count, 1))
        other_n = (rng.random(count) < 0.25) & (np.arange(count) > 0)
        attributes_nA[other_n] = draw_products(int(other_n.sum()), rng)
        signal = np.zeros((count, FEATURES), np.float32)
        for a, start in enumerate(self.starts_A):
            signal += self.signature[start + attributes_nA[:, a]] * shown_nA[:, a : a + 1]
        noise = rng.normal(0, self.config.noise, signal.shape)
        features = np.maximum(signal / len(SIZES) ** 0.5 + noise, 0).astype(np.float32)
        corner = np.sort(rng.random((count, 2, 2)), axis=1) * [height, width]
        boxes = np.round(corner.reshape(count, 4)).astype(np.float32)  # top, left, bottom, right
        # A detector's class follows the kind, and is sometimes wrong.
        labels = np.where(rng.random(count) < 0.8, attributes_nA[:, 0] * 2 + 1, rng.integers(0, LABELS, count))
        return Row(
            str(self.first + number), height, width, boxes, features, labels.astype(np.int64), query, str(query_id)
        )


def _write(path: Path, rows: Iterator[Row], total: int) -> None:
    with open(path, "wb") as file:
        file.write("\t".join(COLUMNS).encode() + b"\n")
        for row in progress(rows, f"writing {path.name}", total=total, unit="row"):
            file.write(format_row(row) + b"\n")


def _train_rows(config: KddCupSampleConfig) -> Iterator[Row]:
    rng = np.random.default_rng([config.seed, 3])
    products = draw_products(max(1, config.pairs * 3 // 4), rng)
    shelf = _Shelf(products, 100_000, config)
    ids: dict[str, int] = {}
    seen: set[tuple[int, str]] = set()
    while len(seen) < config.pairs:
        product = len(seen) if len(seen) < len(products) else int(rng.integers(len(products)))
        text = phrase(draw_query(products[product], rng), rng)
        if (product, text) not in seen:
            seen.add((product, text))
            yield shelf.row(product, text, ids.setdefault(text, 1 + len(ids)))


def _pool_rows(pools: list[Pool], shelf: _Shelf, first_query: int) -> Iterator[Row]:
    for place, pool in enumerate(pools):
        for product in pool.products:
            yield shelf.row(product, pool.text, first_query + place)


def _write_pools(config: KddCupSampleConfig, path: Path, answers: Path, part: int) -> dict[str, int]:
    rng = np.random.default_rng([config.seed, 4, part])
    attributes_NA, pools = draw_pools(config.pools, rng)
    first = 10_000_000 * (part + 1)
    shelf = _Shelf(attributes_NA, first, config)
    first_query = 1_000_000 * (part + 1)
    rows = sum(len(pool.products) for pool in pools)
    _write(path, _pool_rows(pools, shelf, first_query), rows)
    truth = {first_query + place: [first + p for p in sorted(pool.answers)] for place, pool in enumerate(pools)}
    answers.write_text(json.dumps(truth) + "\n", encoding="utf-8")
    return {"queries": len(pools), "rows": rows, "answers": sum(len(pool.answers) for pool in pools)}


def _check(config: KddCupSampleConfig) -> None:
    ranges: dict[str, tuple[float, float, float]] = {
        "pairs": (config.pairs, 50, 3_000_000),
        "pools": (config.pools, 5, 10_000),
        "boxes": (config.boxes, 1, 20),
        "noise": (config.noise, 0, 100),
        "seed": (config.seed, 0, 2**32 - 1),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise UserError(f"--{name} {value}: choose a value from {low} to {high}")


def _sample(config: KddCupSampleConfig, run: Run) -> None:
    folder = run.folder
    (folder / "truth").mkdir(exist_ok=True)
    _write(folder / "train.tsv", _train_rows(config), config.pairs)
    for part, (name, answers) in enumerate((("valid", "valid_answer.json"), ("testB", "truth/testB_answer.json"))):
        counts = _write_pools(config, folder / f"{name}.tsv", folder / answers, part)
        run.metrics |= {f"{name}_{what}": count for what, count in counts.items()}
    log.info("%s: %d training rows, %d pools to validate and as many to test on, %d attributes",
             config.out, config.pairs, config.pools, len(ATTRIBUTES))  # fmt: skip


def main(config: KddCupSampleConfig) -> Path:
    """Write the files, or leave them where the same ones lie already.

    Returns:
        The folder: `train.tsv`, `valid.tsv`, `valid_answer.json`, `testB.tsv`, `truth/testB_answer.json`.

    Raises:
        UserError: a setting is out of range, or the folder holds something else.
    """
    _check(config)
    with open_run(config.out, "kddcup-sample", config, {}, force=config.force, seed=config.seed) as run:
        if run is not None:
            _sample(config, run)
    return config.out
