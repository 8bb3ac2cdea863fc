"""Keeps a run open while the server works: loads it beside the requests, and again when it was replaced."""

import gc
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ensemble.live import STAGES, Live
from stylecast.errors import UserError
from stylecast.runs import MANIFEST

log = logging.getLogger(__name__)


def settle() -> None:
    """Let go of a run that was replaced, and have the collector of garbage look no more at the one that stays.

    To go through all that a loaded run consists of takes longer than a search, and would fall upon any of them.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Keeper:
    """The run that is served, and how it is.

    What is replaced stays in service until the new is whole: a scheduled `stylecast run` writes one stage after the
    other, and the new ones do not fit the old ones until all are written.

    Args:
        run: its folder.
        load: opens it.
        poll: seconds between two looks at its manifests; 0 = it is opened once.
        loaded: told of each run that was opened.
    """

    def __init__(self, run: Path, load: Callable[[Path], Live], poll: float, loaded: Callable[[Live], None]) -> None:
        self.run, self.load, self.poll, self.loaded = run, load, poll, loaded
        self.live: Live | None = None
        self.problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keeper", daemon=True)

    @property
    def state(self) -> str:
        """`ready`, `loading` or `damaged`."""
        return "ready" if self.live is not None else "damaged" if self.problem else "loading"

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _stamp(self) -> list[tuple[int, int]]:
        """What changes when a stage is written anew."""
        found = []
        for stage in STAGES:
            # A stage that is missing, or is moved away for a new one in this very moment.
            with suppress(FileNotFoundError):
                stat = (self.run / stage / MANIFEST).stat()
                found.append((stat.st_mtime_ns, stat.st_ino))
        return found

    def _watch(self) -> None:
        seen = None
        while not self._stop.is_set():
            stamp = self._stamp()
            if stamp != seen or self.live is None:
                seen = stamp
                self._try()
            if not self.poll:
                return
            self._stop.wait(self.poll)

    def _try(self) -> None:
        try:
            live = self.load(self.run)
        except UserError as error:
            self._tell(str(error))
        # Whatever a foreign or half-written file makes a reader raise: the server must say that it is not ready.
        except Exception as error:
            log.exception("%s cannot be opened", self.run)
            self._tell(f"{self.run}: cannot be opened ({type(error).__name__}); the log tells more")
        else:
            self.live, self.problem = live, ""
            settle()
            self.loaded(live)
            log.info("%s: ready", self.run)

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("%s%s", problem, "; the run before stays in service" if self.live else "")
        self.problem = problem
