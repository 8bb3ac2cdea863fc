"""KDD Cup files, converted once: streamed into flat arrays that are memory-mapped ever after.

A product that recurs is stored once where its bytes are the same. Every `PART` bytes the arrays are flushed
and `progress.json` tells how far they go, so that a conversion that was killed cuts off what came after and goes
on there; the folder takes its place when it is whole.

    boxes.f32, features.f16, labels.u8   one record a box: 4, 2048 and 1 numbers
    products.parquet                     product_id, image_h, image_w, boxes: row i has the next `boxes` records
    pairs.parquet                        product (a row of products), query_id, query, line
    rejected.csv                         line, column, reason of each row that cannot be used
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.kddcup_files import COLUMNS, BrokenRowError, Row, parse_row
from stylecast.errors import UserError
from stylecast.logs import progress
from stylecast.runs import open_run
from stylecast.world import World

log = logging.getLogger(__name__)

STAGE = "kddcup-convert"
PART = 1 << 26  # bytes of the file between two flushes
BOXES, FEATURES, LABELS = "boxes.f32", "features.f16", "labels.u8"
DIGESTS, PRODUCTS, PAIRS, REJECTED = "digests.raw", "products.raw", "pairs.raw", "rejected.raw"
APPENDED = (BOXES, FEATURES, LABELS, DIGESTS, PRODUCTS, PAIRS, REJECTED)
PROGRESS = "progress.json"
DIGEST = 16  # bytes


@dataclass(frozen=True)
class ConvertConfig:
    """Which file was converted; a file of 100 GB is told by its size and time, not by its bytes."""

    source: Path
    """The TSV file."""
    bytes: int
    """Its size, bytes."""
    modified: int
    """When it was last changed, ns since 1970."""


class _Store:
    """The arrays of a conversion at work, appended to; it opens where the last flush left them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.offset, self.line = folder, 0, 0
        sizes = dict.fromkeys(APPENDED, 0)
        if (folder / PROGRESS).is_file():
            told = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
            self.offset, self.line, sizes = told["offset"], told["line"], told["sizes"]
        self.files = {name: stack.enter_context(open(folder / name, "ab")) for name in APPENDED}  # noqa: SIM115
        for name, size in sizes.items():
            self.files[name].truncate(size)  # what a killed conversion wrote after its last flush
        digests = (folder / DIGESTS).read_bytes()
        self.product_of = {digests[i : i + DIGEST]: i // DIGEST for i in range(0, len(digests), DIGEST)}
        self.products = [row[0] for row in _read_rows(folder / PRODUCTS)]
        self.line_of: dict[tuple[str, str], int] = {}
        for product, query_id, _, line in _read_rows(folder / PAIRS):
            self.line_of[query_id, self.products[product]] = line

    def add(self, row: Row, digest: bytes, line: int) -> None:
        """Keep a row.

        Raises:
            BrokenRowError: the query has this product already.
        """
        pair = (row.query_id, row.product_id)
        if pair in self.line_of:
            raise BrokenRowError(
                "product_id", f"{row.product_id} stands under query {row.query_id} on line {self.line_of[pair]} already"
            )
        product = self.product_of.setdefault(digest, len(self.products))
        if product == len(self.products):
            self.products.append(row.product_id)
            self.files[DIGESTS].write(digest)
            self.files[BOXES].write(row.boxes_n4.tobytes())
            self.files[FEATURES].write(row.features_nF.astype("<f2").tobytes())
            self.files[LABELS].write(row.labels_n.astype(np.uint8).tobytes())
            self._append(PRODUCTS, [row.product_id, row.image_h, row.image_w, len(row.labels_n)])
        self.line_of[pair] = line
        self._append(PAIRS, [product, row.query_id, row.query, line])

    def reject(self, line: int, error: BrokenRowError) -> None:
        """Set a row aside with its reason."""
        self._append(REJECTED, [line, error.column, error.reason])

    def flush(self) -> None:
        """Make all that was written count: the lines up to `line`, which ends at byte `offset`, are done."""
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
        sizes = {name: file.tell() for name, file in self.files.items()}
        written = self.folder / f"{PROGRESS}.new"
        written.write_text(json.dumps({"offset": self.offset, "line": self.line, "sizes": sizes}), encoding="utf-8")
        os.replace(written, self.folder / PROGRESS)

    def _append(self, name: str, values: list[str | int]) -> None:
        self.files[name].write(json.dumps(values).encode() + b"\n")


def _read_rows(path: Path) -> Iterator[list[Any]]:
    with open(path, "rb") as file:
        for line in file:
            yield json.loads(line)


def _digest(line: bytes) -> bytes:
    """What a product is: all of its columns as they are written."""
    return hashlib.blake2b(line.rsplit(b"\t", 2)[0], digest_size=DIGEST).digest()


def _check_header(source: Path, line: bytes) -> None:
    names = tuple(name.decode(errors="replace") for name in line.split(b"\t"))
    if names != COLUMNS:
        raise UserError(f"{source}: line 1: the columns should be {', '.join(COLUMNS)}; they are {', '.join(names)}")


def _take(source: Path, store: _Store, line: bytes, number: int) -> None:
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
        if line.startswith(COLUMNS[0].encode()):
            _check_header(source, line)
            return
    if line:
        try:
            store.add(parse_row(line), _digest(line), number)
        except BrokenRowError as error:
            store.reject(number, error)


def _stream(source: Path, store: _Store) -> None:
    left = source.stat().st_size - store.offset
    with open(source, "rb") as file:
        file.seek(store.offset)
        for _ in progress(range(-(-left // PART)), f"converting {source.name}", unit=f"{PART >> 20} MiB"):
            for raw in file.readlines(PART):
                store.line += 1
                store.offset += len(raw)
                _take(source, store, raw.rstrip(b"\n").removesuffix(b"\r"), store.line)
            store.flush()


def _finish(folder: Path) -> tuple[int, int, int]:
    """Tables out of the rows; returns the numbers of products, pairs and rejected rows."""
    products = pd.DataFrame(_read_rows(folder / PRODUCTS), columns=["product_id", "image_h", "image_w", "boxes"])
    pairs = pd.DataFrame(_read_rows(folder / PAIRS), columns=["product", "query_id", "query", "line"])
    rejected = pd.DataFrame(_read_rows(folder / REJECTED), columns=["line", "column", "reason"])
    products.to_parquet(folder / "products.parquet", index=False)
    pairs.to_parquet(folder / "pairs.parquet", index=False)
    rejected.to_csv(folder / "rejected.csv", index=False)
    for name in (PROGRESS, DIGESTS, PRODUCTS, PAIRS, REJECTED):  # progress first: without it, a new start is clean
        (folder / name).unlink()
    return len(products), len(pairs), len(rejected)


def _first_rejection(folder: Path) -> str:
    for line, column, reason in _read_rows(folder / REJECTED):
        return f"line {line}: {column}{': ' if column else ''}{reason}"
    return "the file has no rows"


def convert(source: Path, out: Path, force: bool = False, world: World | None = None) -> Path:
    """Convert a file, or leave it where it was converted already; go on where a killed conversion stopped.

    Args:
        source: the TSV file.
        out: the folder that appears when all is done; `data.kddcup.Products` loads it.
        force: convert even if it is there.
        world: the processes that share the work; rank 0 alone converts.

    Returns:
        `out`.

    Raises:
        UserError: no such file, other columns, or no row that can be used.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file; give a KDD Cup 2020 Multimodalities Recall file (.tsv)")
    told = source.stat()
    config = ConvertConfig(source, told.st_size, told.st_mtime_ns)
    with open_run(out, STAGE, config, {}, force=force, world=world) as run:
        if run is not None and (world is None or world.is_main):
            with ExitStack() as stack:
                store = _Store(run.folder, stack)
                if store.line:
                    log.info("%s: going on from line %d", source, store.line + 1)
                _stream(source, store)
            if not (run.folder / PAIRS).stat().st_size:
                raise UserError(f"{source}: no row can be used; first reason: {_first_rejection(run.folder)}")
            products, pairs, rejected = _finish(run.folder)
            run.metrics |= {"products": products, "pairs": pairs, "rejected": rejected}
            log.info("%s: %d products in %d rows, %d rejected", source, products, pairs, rejected)
    return out
