"""Words that a user adds to the dictionary, and words that he wants left out; they travel with the run."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylecast.errors import UserError

FILE = "lexicon.json"
_ENTRY = re.compile(r"(\S+)(?:\s+(\S+))?(?:\s+([A-Za-z]+))?")


@dataclass(frozen=True)
class Lexicon:
    """What a user adds to the words of the package."""

    entries: tuple[tuple[str, int | None], ...] = ()
    """Words to keep whole, lower-cased, with their frequency; None = as high as it takes."""
    stop_words: tuple[str, ...] = ()
    """Further words to leave out, lower-cased, sorted."""

    @classmethod
    def read(cls, dictionaries: Sequence[Path], stop_words: Sequence[Path]) -> "Lexicon":
        """Read files as jieba has them.

        Args:
            dictionaries: `word [frequency [tag]]`, one a line; the tag (part of speech) is not used.
            stop_words: one word a line.

        Raises:
            UserError: a file that cannot be read or is not UTF-8, or a line of another form.
        """
        entries: dict[str, int | None] = {}
        for path in dictionaries:
            for line, text in _lines(path, "--dictionary"):
                entries |= _entry(path, line, text)
        stopped: set[str] = set()
        for path in stop_words:
            for line, text in _lines(path, "--stopwords"):
                if len(text.split()) > 1:
                    raise UserError(f"--stopwords {path}: line {line}: {text!r} is more than one word; one a line")
                stopped.add(text.lower())
        return cls(tuple(entries.items()), tuple(sorted(stopped)))

    def save(self, folder: Path) -> None:
        """Write `lexicon.json`."""
        content = {"entries": self.entries, "stop_words": self.stop_words}
        (folder / FILE).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Lexicon":
        """Read what `save` wrote.

        Raises:
            UserError: there is none.
        """
        if not (folder / FILE).is_file():
            raise UserError(f"{folder / FILE} is missing; run the stage again with --force")
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(tuple((word, frequency) for word, frequency in content["entries"]), tuple(content["stop_words"]))


def _lines(path: Path, flag: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{flag} {path}: cannot be read ({error.strerror})") from error
    for line, raw in enumerate(content.splitlines(), start=1):
        try:
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise UserError(f"{flag} {path}: line {line}: not UTF-8 ({error.reason}); save it as UTF-8") from error
        if text:
            yield line, text


def _entry(path: Path, line: int, text: str) -> dict[str, int | None]:
    told = _ENTRY.fullmatch(text)
    word, number, tag = told.groups() if told else ("", None, None)
    if number and not tag and not number[0].isdigit() and number.isascii() and number.isalpha():
        number = None  # jieba also takes `word tag`
    if not told or (number and not (number.isdecimal() and int(number) > 0)):
        raise UserError(f"--dictionary {path}: line {line}: {text!r} is not `word [frequency above 0 [tag]]`")
    return {word.lower(): int(number) if number else None}
