"""The pictures of a table of posts: listed, decoded into one array, their clothes and copies found.

Shapes: N pictures, S×S pixels.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from data.duplicates import count_copies, mark_copies, thumbs_of, write_copies
from data.parallel import in_parallel
from data.pictures import decode_all
from data.video import is_video
from stylecast.errors import UserError
from stylecast.runs import Run

log = logging.getLogger(__name__)
ROWS = 1000  # pictures that a worker takes at a time


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How the pictures of posts are read."""

    image_root: Path | None = None
    """Folder that the picture paths start from; by default the table's own. No path may leave it."""
    picture_size: int = 64
    """Side to which pictures are resized, pixels; proportions are kept, the rest is white."""
    min_contrast: float = 2.0
    """A picture whose grey levels (0..255) spread less than this is empty and left out."""
    segment: str = "none"
    """How clothes are told from the background: none, grabcut (what stands in the middle), or a semantic-segmentation
    checkpoint of transformers, by path or hub name."""
    segment_labels: tuple[str, ...] = ()
    """Its labels that are clothes, ids or names; by default those whose name has a word for clothes."""
    segment_size: int = 256
    """Longer side of the pictures that are segmented, pixels."""
    min_garment: float = 0.05
    """A picture with less clothing than this share of its pixels is left out, where clothes are looked for."""
    duplicate_bits: int = 6
    """A copy's hash differs from the first one's in at most so many of its 64 bits, bits."""
    duplicate_likeness: float = 0.98
    """And its coarse colours correlate with the first one's at least so much, 0..1; above 1, nothing is a copy."""
    workers: int = 2
    """Processes that clean text and decode pictures."""

    def check_pictures(self) -> None:
        """Refuse what cannot be.

        Raises:
            UserError: a setting out of its range.
        """
        if self.picture_size < 16 or self.segment_size < 16:
            raise UserError("--picture-size and --segment-size must be 16 or more")
        if not 0 <= self.min_garment <= 1:
            raise UserError(f"--min-garment {self.min_garment}: must be between 0 and 1, a share of the pixels")
        if not 0 <= self.duplicate_bits <= 64:
            raise UserError(f"--duplicate-bits {self.duplicate_bits}: must be between 0 and 64")
        if self.segment_labels and self.segment in ("none", "grabcut"):
            raise UserError(f"--segment-labels names labels of a checkpoint, which --segment {self.segment} is not")

    def picture_files(self) -> dict[str, Path]:
        """Folders that a run depends on, by the setting that names them."""
        files = {"image_root": self.image_root} if self.image_root else {}
        return files | ({"segment": Path(self.segment)} if Path(self.segment).is_dir() else {})


def list_pictures(table: pd.DataFrame) -> pd.DataFrame:
    """One row a path of the posts' `images`: line, post_id, time (if known), path, picture_id; in the posts' order."""
    paths = table["images"].str.split(";") if "images" in table else pd.Series([[]] * len(table), index=table.index)
    known = [name for name in ("line", "post_id", "time") if name in table]
    rows = table[known].assign(path=paths).explode("path").dropna(subset=["path"])
    rows["path"] = rows["path"].astype(str).str.strip()
    rows = rows[rows["path"] != ""].reset_index(drop=True)
    number = rows.groupby("post_id").cumcount().astype(str)
    return rows.assign(picture_id=rows["post_id"] + "/" + number)


def _decode(rows: pd.DataFrame, config: PictureSettings, root: Path, raw: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Write the pictures that can be read; add `reason` and `hash` to the rows. With the colours of those written."""
    parts = [rows["path"].iloc[i : i + ROWS].tolist() for i in range(0, len(rows), ROWS)]
    read = partial(decode_all, root=root, size=config.picture_size, min_contrast=config.min_contrast)
    reasons: list[str] = []
    hashes: list[int] = []
    thumbs: list[bytes] = []
    with open(raw, "wb") as file:
        for part in in_parallel(read, parts, config.workers, "pictures"):
            for picture in part:
                reasons.append(picture.reason)
                hashes.append(picture.hash)
                if picture.image is not None:
                    thumbs.append(picture.thumb)
                    file.write(picture.image.tobytes())
    return rows.assign(reason=reasons, hash=np.array(hashes, np.int64)), thumbs_of(thumbs)


def _compact(raw: Path, keep_N: np.ndarray, shape: tuple[int, ...]) -> None:
    """Turn a raw file of N arrays into `.npy` with those that are kept."""
    out = raw.with_suffix(".npy")
    kept = np.flatnonzero(keep_N)
    if len(kept):
        arrays = np.lib.format.open_memmap(out, mode="w+", dtype=np.uint8, shape=(len(kept), *shape))
        source = np.memmap(raw, np.uint8, "r", shape=(len(keep_N), *shape))
        for start in range(0, len(kept), ROWS):
            arrays[start : start + ROWS] = source[kept[start : start + ROWS]]
        arrays.flush()
    else:
        np.save(out, np.zeros((0, *shape), np.uint8))
    raw.unlink()


def _find_clothes(rows: pd.DataFrame, config: PictureSettings, root: Path, folder: Path) -> pd.DataFrame:
    """Write the masks of readable pictures and the report; add `garment`, and the reason where there is too little."""
    # Drawing and models take a second to load: only those who segment pay.
    from data.garments import report_garments, write_masks
    from data.segment import ClothesModel

    model = None
    if config.segment != "grabcut":
        model = ClothesModel.load(config.segment, config.segment_labels, config.segment_size)
    paths, raw = rows["path"].tolist(), folder / "masks.raw"
    shares = write_masks(paths, root, model, config.segment_size, config.picture_size, config.workers, raw)
    rows = rows.assign(garment=shares)
    report_garments(rows, config.min_garment, folder)
    told = [f"too little clothing ({100 * share:.1f}%, under {100 * config.min_garment:g}%)" for share in shares]
    rows["reason"] = np.where(shares < config.min_garment, told, "")
    _compact(raw, shares >= config.min_garment, (config.picture_size, config.picture_size))
    return rows


def write_pictures(rows: pd.DataFrame, config: PictureSettings, root: Path, folder: Path) -> pd.DataFrame:
    """Decode pictures into `images.npy`; find their clothes (`masks.npy`) and their copies (`duplicates.csv`).

    Args:
        rows: as `list_pictures` makes them.
        config: how.
        root: the image root.
        folder: where to.

    Returns:
        The rows with `reason`, "" for those that are written, in the same order; of these `hash`, `garment` (where
        clothes were looked for) and what `mark_copies` tells.

    Raises:
        UserError: the segmentation checkpoint cannot be loaded.
    """
    rows, thumb_ND = _decode(rows, config, root, folder / "images.raw")
    good = rows[rows["reason"] == ""]
    if config.segment != "none":
        good = _find_clothes(good, config, root, folder)
        rows = rows.assign(garment=good["garment"], reason=good["reason"].reindex(rows.index).fillna(rows["reason"]))
    keep = (good["reason"] == "").to_numpy()
    _compact(folder / "images.raw", keep, (config.picture_size, config.picture_size, 3))
    good = mark_copies(good[keep], thumb_ND[keep], config.duplicate_bits, config.duplicate_likeness)
    write_copies(good, folder)
    marks = good[["family", "duplicate_of", "likeness"]].reindex(rows.index)
    marks["family"] = marks["family"].fillna(-1).astype(np.int64)
    marks["duplicate_of"] = marks["duplicate_of"].fillna("")
    return rows.join(marks)


def read_pictures(
    table: pd.DataFrame, config: PictureSettings, root: Path, run: Run
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pictures of posts, as `write_pictures` writes them.

    Args:
        table: posts in the order of time and id, with `line, post_id, images`.
        config: how.
        root: the image root.
        run: takes the files and the metrics.

    Returns:
        The pictures, row i describes images[i]: picture_id, post_id, path, hash, garment (where clothes were looked
        for), family, duplicate_of, likeness. And those that cannot be used: line, post_id, column, value, reason.

    Raises:
        UserError: the segmentation checkpoint cannot be loaded.
    """
    rows = write_pictures(list_pictures(table), config, root, run.folder)
    bad = rows[rows["reason"] != ""]
    pictures = rows[rows["reason"] == ""].drop(columns=["line", "time", "reason"], errors="ignore")
    pictures = pictures.reset_index(drop=True)
    run.metrics |= count_copies(pictures)
    if config.segment != "none":
        run.metrics["too_little_clothing"] = int(bad["garment"].notna().sum())
    if videos := sum(map(is_video, pictures["path"])):
        run.metrics["videos"] = videos
        log.info("%d of the pictures are frames of videos", videos)
    return pictures, bad[["line", "post_id", "reason"]].assign(column="images", value=bad["path"])
