"""How fast text is cleaned: the whole of it beside jieba's bare cut of the same texts.

    OMP_NUM_THREADS=1 python benchmarks/text.py --captions CAPTIONS.txt     # one caption a line
    OMP_NUM_THREADS=1 python benchmarks/text.py                             # 2,000 captions of the sample world

Cleaning is what `stylecast prepare` does to a post: emoji, tags, boilerplate, words, key phrases. Every repeat starts
with nothing remembered of the texts, and both sides are measured in turns, so that a busy machine slows both. Captions
a second of processor time are those of a core that has nothing else to do; those of the clock are told beside them. A
figure is the median over the repeats, with least and greatest.
"""

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import jieba
import numpy as np
import tyro

from data.cutter import Cutter
from data.lexicon import Lexicon
from data.sample_styles import build_styles
from data.sample_text import COMMUNITY_TAGS, write_text
from data.text import Cleaner
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging

SIDES = ("jieba.lcut", "cleaning")


@dataclass(frozen=True)
class TextConfig:
    """What is measured, and how often."""

    captions: Path | None = None
    """Text file with a caption a line; by default captions of the sample world are written."""
    processes: Annotated[tuple[int, ...], tyro.conf.arg(aliases=["-p"])] = (1, 2)
    """How many processes share the captions, processes."""
    repeats: int = 7
    """How often each side is measured."""


def sample_captions(count: int) -> list[str]:
    """Captions of the sample world, tags at the end; the same every time."""
    styles = build_styles(24)
    found: list[str] = []
    while len(found) < count:
        rng = np.random.default_rng([0, len(found)])
        style = styles[len(found) % len(styles)]
        text = write_text(style, styles, "2024-05-17", COMMUNITY_TAGS[len(found) % len(COMMUNITY_TAGS)], rng)
        found.append(" ".join([text.title, text.content, text.tags]).replace("\n", " "))
    return found


def read_captions(path: Path | None) -> list[str]:
    """The captions that are measured.

    Raises:
        UserError: no such file, or fewer than ten captions.
    """
    if path is None:
        return sample_captions(2000)
    if not path.is_file():
        raise UserError(f"--captions {path}: no such file")
    found = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(found) < 10:
        raise UserError(f"--captions {path}: {len(found)} captions are too few to measure")
    return found


def _worker(side: str) -> Callable[[str], object]:
    """What is measured, with nothing remembered; dictionaries are loaded."""
    if side == "cleaning":
        cleaner = Cleaner(Cutter(Lexicon()))
        cleaner.clean("👗 红色 :red_heart:")
        cleaner.cutter.forget()
        return cleaner.clean
    jieba.setLogLevel("WARNING")
    jieba.initialize()
    return jieba.lcut  # type: ignore[no-any-return]


def seconds(side: str, texts: list[str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor for all texts."""
    work = _worker(side)
    clock, processor = time.perf_counter(), time.process_time()
    for text in texts:
        work(text)
    return time.perf_counter() - clock, time.process_time() - processor


def measure(side: str, texts: list[str], processes: int, pool: ProcessPoolExecutor) -> tuple[float, float]:
    """Captions a second of a core's time, and of the clock; every process has its part of the texts."""
    parts = [texts[number::processes] for number in range(processes)]
    told = list(pool.map(seconds, [side] * processes, parts))
    return len(texts) / sum(processor for _, processor in told), len(texts) / max(clock for clock, _ in told)


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main(config: TextConfig) -> str:
    """Measure.

    Returns:
        The table to print.

    Raises:
        UserError: captions that cannot be used.
    """
    texts = read_captions(config.captions)
    rows = []
    for processes in config.processes:
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for side in SIDES:
                measure(side, texts[:10], processes, pool)  # processes have started, dictionaries are cached
            for _ in range(config.repeats):
                for side in SIDES:
                    found[side].append(measure(side, texts, processes, pool))
        bare = found["jieba.lcut"]
        for side in SIDES:
            ratio = [ours[0] / other[0] for ours, other in zip(found[side], bare, strict=True)]
            core, clock = ([each[place] for each in found[side]] for place in (0, 1))
            rows.append([str(processes), side, _spread(core, ",.0f"), _spread(clock, ",.0f"), _spread(ratio, ".2f")])
    title = f"{len(texts)} captions of {statistics.mean(map(len, texts)):.0f} characters on average"
    heads = ["processes", "", "captions/s of a core's time", "captions/s of the clock, all", "times jieba's"]
    lines = [title, "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    set_up_logging(-1)
    sys.exit(guarded(lambda: main(tyro.cli(TextConfig, description=__doc__)), verbose=True))
