"""The rows of KDD Cup 2020 Multimodalities Recall files: nine tab-separated columns, read without quoting.

    product_id  image_h  image_w  num_boxes  boxes  features  class_labels  query  query_id

`boxes` is base64 of float32 n×4 (top, left, bottom, right in pixels), `features` of float32 n×2048, `class_labels`
of int64 n (0..32). A quote character in a query is a character like any other.

Shapes: n boxes of a product, F = 2048 features of a box.
"""

import base64
import binascii
from dataclasses import dataclass

import numpy as np

COLUMNS = ("product_id", "image_h", "image_w", "num_boxes", "boxes", "features", "class_labels", "query", "query_id")
FEATURES, LABELS = 2048, 33
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Row:
    """One product under one query."""

    product_id: str
    """Id of the product, as written."""
    image_h: int
    """Height of its picture, pixels."""
    image_w: int
    """Width of its picture, pixels."""
    boxes_n4: np.ndarray
    """float32: top, left, bottom, right, pixels."""
    features_nF: np.ndarray
    """float32 n×2048."""
    labels_n: np.ndarray
    """int64, 0..32."""
    query: str
    """The words that the product was found by, as written."""
    query_id: str
    """Id of the query, as written."""


class BrokenRowError(ValueError):
    """A row that cannot be used: which column is wrong, and how."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}" if column else reason)
        self.column, self.reason = column, reason


def _whole_number(column: str, text: bytes) -> int:
    if not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise BrokenRowError(column, f"{text[:20].decode(errors='replace')!r} is not a positive whole number")
    return int(text)


def _text(column: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenRowError(column, f"not UTF-8 ({error.reason} at byte {error.start})") from error
    if not text.strip():
        raise BrokenRowError(column, "empty")
    return text


def decode_array(column: str, text: bytes, dtype: str, boxes: int, width: int) -> np.ndarray:
    """The numbers of a base64 column.

    Args:
        column: named in errors.
        text: base64.
        dtype: little-endian type of the numbers, such as "<f4".
        boxes: how many boxes the row says it has.
        width: numbers of a box.

    Returns:
        boxes×width.

    Raises:
        BrokenRowError: no base64, or not as many bytes as the boxes need.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BrokenRowError(column, f"not base64 ({error})") from error
    needed = boxes * width * np.dtype(dtype).itemsize
    if len(content) != needed:
        raise BrokenRowError(column, f"{len(content)} bytes where {boxes} boxes need {needed}")
    return np.frombuffer(content, dtype).reshape(boxes, width)


def parse_row(line: bytes) -> Row:
    """Read one line, without its end.

    Raises:
        BrokenRowError: a column is missing or wrong.
    """
    fields = line.split(b"\t")
    if len(fields) != len(COLUMNS):
        raise BrokenRowError("", f"{len(fields)} columns where there should be {len(COLUMNS)}")
    of = dict(zip(COLUMNS, fields, strict=True))
    names = {column: _text(column, of[column]) for column in ("product_id", "query", "query_id")}
    height, width, count = (_whole_number(column, of[column]) for column in ("image_h", "image_w", "num_boxes"))
    boxes_n4 = decode_array("boxes", of["boxes"], "<f4", count, 4)
    features_nF = decode_array("features", of["features"], "<f4", count, FEATURES)
    labels_n = decode_array("class_labels", of["class_labels"], "<i8", count, 1)[:, 0]
    if not np.isfinite(boxes_n4).all():
        raise BrokenRowError("boxes", "a number that is not finite")
    if not (np.abs(features_nF) <= LARGEST).all():  # false for NaN too
        raise BrokenRowError("features", f"a number that is not finite, or beyond ±{LARGEST:.0f}")
    wrong = labels_n[(labels_n < 0) | (labels_n >= LABELS)]
    if len(wrong):
        raise BrokenRowError("class_labels", f"label {wrong[0]} is not in 0..{LABELS - 1}")
    return Row(names["product_id"], height, width, boxes_n4, features_nF, labels_n, names["query"], names["query_id"])


def format_row(row: Row) -> bytes:
    """A row as the files have it, without the end of the line."""
    arrays = (row.boxes_n4.astype("<f4"), row.features_nF.astype("<f4"), row.labels_n.astype("<i8"))
    numbers = (str(n).encode() for n in (row.image_h, row.image_w, len(row.labels_n)))
    encoded = (base64.b64encode(array.tobytes()) for array in arrays)
    return b"\t".join([row.product_id.encode(), *numbers, *encoded, row.query.encode(), row.query_id.encode()])
