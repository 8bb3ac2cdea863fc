"""Draws and writes the sample posts, a stretch at a time, so that a million need no more memory than a thousand.

Shape legend: N posts of a chunk.
"""

import csv
import io
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.sample_camera import damage, encode
from data.sample_pictures import draw_near_empty, draw_picture, draw_scene
from data.sample_posts import Plan, Post, draw_post, make_plan

CHUNK = 250
"""Posts that one task of a worker draws."""
FOLDER_POSTS = 1000
"""Posts whose pictures lie in one folder."""


@dataclass(frozen=True)
class World:
    """What a plan is made from (see `SampleConfig`), small enough to send to another process."""

    posts: int
    """Number of posts."""
    styles: int
    """Number of styles."""
    days: int
    """Number of days."""
    start: str
    """First day."""
    pictures: float
    """Mean number of pictures a post."""
    size: int
    """Side of a picture, pixels."""
    seed: int
    """Seed."""


@dataclass(frozen=True)
class Chunk:
    """What a stretch of posts adds to the tables; its pictures are on disk."""

    posts: str
    """Lines of posts.csv."""
    truth_posts: str
    """Lines of truth/posts.csv."""
    truth_pictures: str
    """Lines of truth/pictures.csv."""
    style_N: NDArray[np.int64]
    """Style of each post."""
    day_N: NDArray[np.int64]
    """Day of each post."""
    counts: Counter[str]
    """Rows, pictures and defects."""


@lru_cache(maxsize=1)
def plan_of(world: World) -> Plan:
    """The plan of a world, made once a process."""
    return make_plan(world.posts, world.styles, world.days, world.start, world.pictures, world.seed)


def post_id(number: int) -> str:
    """Id of post `number`."""
    return f"p{number:07d}"


def picture_path(number: int, place: int) -> str:
    """Path of a picture, relative to the table."""
    return f"images/{number // FOLDER_POSTS:02d}/{post_id(number)}_{place}.jpg"


def _draw_pictures(post: Post, rng: np.random.Generator, plan: Plan, size: int, folder: Path) -> None:
    scene = draw_scene(rng, int(plan.authors.home_A[post.author]))
    for place, picture in enumerate(post.pictures):
        if picture.kind == "near-empty":
            image = draw_near_empty(scene, size, rng)
        else:
            image = draw_picture(plan.styles[picture.style], scene, size, rng)
        data = encode(image, scene.quality)
        if picture.kind == "corrupt":
            data = damage(data, rng)
        (folder / picture_path(post.number, place)).write_bytes(data)


def draw_chunk(world: World, folder: Path, start: int, stop: int) -> Chunk:
    """Draw posts `start` to `stop` - 1: pictures to the folder, table lines to the caller."""
    plan = plan_of(world)
    tables = [io.StringIO() for _ in range(3)]
    posts, truth_posts, truth_pictures = (csv.writer(table, lineterminator="\n") for table in tables)
    counts: Counter[str] = Counter()
    style_N, day_N = np.empty(stop - start, np.int64), np.empty(stop - start, np.int64)
    for number in range(start // FOLDER_POSTS, (stop - 1) // FOLDER_POSTS + 1):
        (folder / picture_path(number * FOLDER_POSTS, 0)).parent.mkdir(exist_ok=True)
    for number in range(start, stop):
        post, rng = draw_post(plan, number)
        _draw_pictures(post, rng, plan, world.size, folder)
        name, style = post_id(number), plan.styles[post.style].style
        paths = [picture_path(number, place) for place in range(len(post.pictures))]
        row = (name, post.time, post.text.title, post.text.content, post.text.tags, ";".join(paths),
               post.likes, post.collects, post.comments, f"a{post.author:03d}")  # fmt: skip
        posts.writerows([row, row] if post.defect == "duplicate" else [row])
        truth_posts.writerow((name, style))
        for path, picture in zip(paths, post.pictures, strict=True):
            truth_pictures.writerow((path, name, plan.styles[picture.style].style, picture.kind))
            counts[f"{picture.kind} pictures"] += 1
            counts["pictures of another style"] += picture.style != post.style
        counts["rows"] += 2 if post.defect == "duplicate" else 1
        counts["duplicate rows"] += post.defect == "duplicate"
        counts["rows without a year"] += post.defect == "no year"
        style_N[number - start], day_N[number - start] = post.style, post.day
    told = [table.getvalue() for table in tables]
    return Chunk(told[0], told[1], told[2], style_N, day_N, counts)


def draw_chunks(world: World, folder: Path, workers: int) -> Iterator[Chunk]:
    """All chunks of a world, in order; the same whatever the number of workers.

    Args:
        world: what to draw.
        folder: where `images/` lies.
        workers: processes; with one, the caller's own does the work.

    Yields:
        Chunks of `CHUNK` posts. No more than a few wait at any time.
    """
    (folder / "images").mkdir()
    stretches = [(start, min(start + CHUNK, world.posts)) for start in range(0, world.posts, CHUNK)]
    if workers == 1:
        for start, stop in stretches:
            yield draw_chunk(world, folder, start, stop)
        return
    waiting: deque[Future[Chunk]] = deque()
    # spawned, not forked: a caller may hold threads; OpenCV needs none of its own beside the workers
    with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        for start, stop in stretches:
            waiting.append(pool.submit(draw_chunk, world, folder, start, stop))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
