"""Pictures of posts as small JPEGs, which a page or a server shows.

Shapes: H×W pixels.
"""

from collections.abc import Iterable

import cv2
import numpy as np
import pandas as pd

from data.pictures import letterbox
from data.posts import Posts


def encode_jpeg(image: np.ndarray, side: int) -> bytes:
    """A picture as a small square JPEG.

    Args:
        image: uint8 H×W×3 RGB.
        side: of the square, pixels; never more than the picture has.
    """
    small = letterbox(image, min(side, max(image.shape[:2])))
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not done:
        raise ValueError(f"a picture of shape {image.shape} cannot be encoded as JPEG")
    return data.tobytes()


def encode_thumbnails(posts: Posts, picture_ids: Iterable[str], side: int = 96) -> dict[str, bytes]:
    """Small JPEGs of pictures, by picture_id; ids that the posts do not have are left out.

    Args:
        posts: their images, uint8 H×W×3.
        picture_ids: which.
        side: of the square, pixels; never more than the pictures have.
    """
    wanted = set(picture_ids)
    rows = {name: row for row, name in enumerate(posts.pictures["picture_id"]) if name in wanted}
    return {name: encode_jpeg(np.asarray(posts.images[row]), side) for name, row in sorted(rows.items())}


def limit_pictures(board: pd.DataFrame, most: int) -> pd.DataFrame:
    """The board with at most so many pictures a style."""
    return board.assign(pictures=board["pictures"].map(lambda ids: ";".join(ids.split(";")[:most])))
