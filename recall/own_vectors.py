"""Vectors of one's own, and a table that says what they are of: styles without the stages before them.

The table has a row a vector, in the same order: `id` and, if known, `time`, `text`, `image`, and whatever else
`prepare` reads, such as likes. It goes through the same checks; what cannot be used is set aside with its reason.

Shapes: N vectors, D dimensions.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from data.posts import TEXT_COLUMNS, Posts, add_words, rename_columns, validate
from data.prepare_pictures import PictureSettings, list_pictures, write_pictures
from data.tables import read_table
from recall.items import Items, SourceConfig, side_by_side, text_items
from stylecast.errors import UserError

log = logging.getLogger(__name__)
POSTS, PICTURES = "posts.parquet", "pictures.parquet"
CHUNK = 65_536  # vectors looked at a time
LATEST = pd.Timestamp("2262-01-01")  # whoever has vectors of the future may cluster them


def open_vectors(path: Path) -> np.ndarray:
    """A matrix of numbers from a `.npy` file, memory-mapped, as it is.

    Raises:
        UserError: no such file, no `.npy`, pickled objects, or no matrix of real numbers.
    """
    if not path.is_file():
        raise UserError(f"--vectors {path}: no such file")
    try:
        vectors_ND = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"--vectors {path}: no .npy file of numbers ({error}); write it with numpy.save") from error
    if not isinstance(vectors_ND, np.ndarray) or vectors_ND.ndim != 2 or vectors_ND.dtype.kind not in "fiu":
        told = f"{vectors_ND.dtype} {vectors_ND.shape}" if isinstance(vectors_ND, np.ndarray) else "an archive"
        raise UserError(f"--vectors {path}: needs a matrix of numbers, a row a vector; this is {told}")
    if not vectors_ND.shape[1]:
        raise UserError(f"--vectors {path}: its rows are empty")
    return vectors_ND


def unusable_rows(vectors_ND: np.ndarray) -> pd.Series:
    """Why a vector cannot be used: row number → reason, of those that cannot."""
    found: dict[int, str] = {}
    for start in range(0, len(vectors_ND), CHUNK):
        part_BD = np.asarray(vectors_ND[start : start + CHUNK], np.float32)
        bad_B = ~np.isfinite(part_BD).all(axis=1)
        nothing_B = ~bad_B & ~part_BD.any(axis=1)
        found |= {start + int(i): "a value of its vector is NaN or infinite" for i in np.flatnonzero(bad_B)}
        found |= {start + int(i): "its vector is zero" for i in np.flatnonzero(nothing_B)}
    return pd.Series(found, dtype=object).sort_index()


def _read_ids(ids: Path, vectors: Path, count: int) -> pd.DataFrame:
    table, unreadable = read_table(ids)
    if len(unreadable):
        first = unreadable.iloc[0]
        raise UserError(
            f"{ids}: line {first['line']}: {first['reason']}; every vector needs its row, so put this right first"
        )
    if len(table) != count:
        raise UserError(f"{ids} has {len(table)} rows but {vectors} {count} vectors; give a row a vector, in its order")
    renames = ("title=text",) if "text" in table and not set(TEXT_COLUMNS) & set(table) else ()
    table = rename_columns(table, renames, ids)
    if "post_id" not in table:
        raise UserError(f"{ids}: no column `id`; the table has {', '.join(c for c in table if c != 'line')}")
    return table if {*TEXT_COLUMNS, "images"} & set(table) else table.assign(title="")


def _pictures(table: pd.DataFrame, settings: PictureSettings, root: Path, folder: Path) -> pd.DataFrame:
    """Pictures of the rows, decoded into `folder`; with the reason where one cannot be read."""
    rows = list_pictures(table)
    several = rows["post_id"][rows["post_id"].duplicated()]
    if len(several):
        raise UserError(f"id {several.iloc[0]}: several pictures for one vector; give `image` one path a row")
    return write_pictures(rows.assign(picture_id=rows["post_id"]), settings, root, folder)


def read_own(
    vectors: Path, ids: Path | None, pictures: PictureSettings, source: SourceConfig, cut_off: pd.Timestamp | None,
    folder: Path,
) -> tuple[Posts, Items]:  # fmt: skip
    """Read vectors and what they are of.

    Args:
        vectors: `.npy`, N×D, any kind of real number.
        ids: the table: `.csv`, `.tsv`, `.jsonl` or `.parquet`.
        pictures: how pictures are read, if the table names any.
        source: `both` puts the table's texts beside the vectors.
        cut_off: nothing is learnt from later rows.
        folder: gets `rejected.csv` and the decoded `images.npy`.

    Returns:
        A post a vector, with at most one picture, whose id is that of the post; and the items.

    Raises:
        UserError: the files do not belong together, lack what is asked for, or nothing can be used.
    """
    if ids is None:
        raise UserError(f"--vectors {vectors} needs --ids, a table with the column `id`, a row a vector")
    if source.source == "text":
        raise UserError("--source text would not look at --vectors; use --source both, or leave it out")
    vectors_ND = open_vectors(vectors)
    table, rejected = validate(_read_ids(ids, vectors, len(vectors_ND)), (), LATEST, ids)
    if cut_off is not None and "time" not in table:
        raise UserError(f"--cut-off: {ids} has no column `time`; add it, or leave the cut-off out")
    bad = unusable_rows(vectors_ND)
    bad = bad[bad.index.isin(table.index)]
    lost = table.loc[bad.index, ["line", "post_id"]].assign(column="vector", value="", reason=bad)
    table = table.drop(index=bad.index)
    if table.empty:
        first = pd.concat([rejected, lost]).sort_values("line").iloc[0]
        raise UserError(f"{ids}: no row can be used; first reason: line {first['line']}: {first['reason']}")
    shown = _pictures(table, pictures, pictures.image_root or ids.parent, folder)
    unseen = shown[shown["reason"] != ""]
    unseen = unseen[["line", "post_id", "reason"]].assign(column="images", value=unseen["path"])
    _tell(pd.concat([rejected, lost, unseen]), folder)
    kept_N = table.index.to_numpy()
    table = add_words(table).reset_index(drop=True)
    seen = shown.loc[shown["reason"] == "", ["picture_id", "post_id", "path", "family"]].reset_index(drop=True)
    posts = Posts(table, seen, np.load(folder / "images.npy", mmap_mode="r"))
    times = table["time"] if "time" in table else pd.Series(pd.NaT, index=table.index, dtype="datetime64[us]")
    rows = pd.DataFrame({"id": table["post_id"], "post_id": table["post_id"], "time": times, "generated": False})
    own = Items(rows, vectors_ND if len(kept_N) == len(vectors_ND) else vectors_ND[kept_N])
    if source.source == "pictures":
        return posts, own
    dated = Posts(table.assign(time=times.fillna(pd.Timestamp(0))), seen, posts.images)  # undated: all are learnt from
    texts = text_items(dated, None, None, source, cut_off, folder)
    return posts, side_by_side(own, texts, own.before(cut_off, posts))


def keep_own(posts: Posts, folder: Path) -> None:
    """Write the posts beside their `images.npy`, for whoever counts them again: no run of `prepare` holds them."""
    posts.table.to_parquet(folder / POSTS, index=False)
    posts.pictures.to_parquet(folder / PICTURES, index=False)


def load_own(folder: Path) -> Posts | None:
    """What `keep_own` wrote; None in the run folder of styles that were found in a run of `prepare`."""
    if not (folder / POSTS).is_file():
        return None
    images = np.load(folder / "images.npy", mmap_mode="r")
    return Posts(pd.read_parquet(folder / POSTS), pd.read_parquet(folder / PICTURES), images)


def _tell(rejected: pd.DataFrame, folder: Path) -> None:
    rejected = rejected.sort_values("line", kind="stable")
    rejected[["line", "post_id", "column", "value", "reason"]].to_csv(folder / "rejected.csv", index=False)
    if len(rejected):
        first = rejected.iloc[0]
        log.info(
            "%d rejections, each with its line in rejected.csv; the first: line %s (id %s): %s",
            len(rejected), first["line"], first["post_id"], first["reason"],
        )  # fmt: skip
