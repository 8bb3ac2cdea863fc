"""A member whose answer is kept on disk, so that a long comparison goes on where it was stopped."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from rank.member import Answer, Member, Question
from stylecast.world import World, barrier, broadcast_object


@dataclass(frozen=True)
class KeptMember:
    """Answers once; then from its file, which is there whole or not at all."""

    name: str
    """How tables call it."""
    path: Path
    """The file of its answer."""
    world: World
    """The processes; rank 0 writes."""
    make: Callable[[Path], Member]
    """Builds the member, given a folder for its checkpoints, which is removed with the answer kept."""
    see: Callable[[Question], Question] = lambda question: question
    """What the member is asked instead of the question, such as the same with fewer numbers."""

    def answer(self, question: Question) -> Answer:
        """The kept answer, or a new one."""
        if broadcast_object(self.path.exists(), self.world):
            return _load(self.path)
        work = self.path.with_suffix(".work")
        answer = self.make(work).answer(self.see(question))
        if self.world.is_main:
            _save(answer, self.path)
            shutil.rmtree(work, ignore_errors=True)
        barrier(self.world)
        return answer


def _save(answer: Answer, path: Path) -> None:
    arrays = {"growth_OS": answer.growth_OS, "classes_OSC": answer.classes_OSC, "hot_OS": answer.hot_OS}
    if answer.used_O is not None:
        arrays["used_O"] = answer.used_O.to_numpy().astype("datetime64[D]").astype(np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items() if values is not None}, beside)
    beside.replace(path)


def _load(path: Path) -> Answer:
    arrays = load_file(path)
    used = arrays.get("used_O")
    used_O = None if used is None else pd.DatetimeIndex(used.astype("datetime64[D]").astype("datetime64[ns]"))
    return Answer(arrays["growth_OS"], arrays.get("classes_OSC"), used_O, arrays.get("hot_OS"))
