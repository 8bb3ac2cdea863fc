"""The text half of `prepare`: what a user may choose, the columns that it adds, and one post's steps for him to see."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.cutter import cutter
from data.lexicon import Lexicon
from data.posts import TEXT_COLUMNS, add_words
from data.text import PARTS, Cleaner, EmojiWords, Part
from stylecast.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How the text of posts is read."""

    dictionary: tuple[Path, ...] = ()
    """Files of words that are not to be cut apart, as jieba has them: `word [frequency [tag]]`, one a line."""
    stopwords: tuple[Path, ...] = ()
    """Files of further words to leave out, one a line."""
    text_parts: tuple[Part, ...] = PARTS
    """Which parts of a post's text are used; tags are those of the column and those in the text."""
    emoji_words: EmojiWords = "worn"
    """Which emoji count among the words: those of things that people wear, all, or none."""
    key_phrases: int = 10
    """Most key phrases of a post, phrases."""

    def check_text(self) -> None:
        """Refuse what cannot be.

        Raises:
            UserError: no part of the text, or no key phrase.
        """
        if not self.text_parts:
            raise UserError(f"--text-parts: name at least one of {', '.join(PARTS)}")
        if self.key_phrases < 1:
            raise UserError(f"--key-phrases {self.key_phrases}: must be 1 or more")

    def text_files(self) -> dict[str, Path]:
        """The files that the words depend on, as inputs of a run."""
        chosen = (("dictionary", self.dictionary), ("stopwords", self.stopwords))
        return {f"{name}:{number}": path for name, paths in chosen for number, path in enumerate(paths)}

    def cleaner(self, lexicon: Lexicon) -> Cleaner:
        """What cleans a post as the user chose."""
        return Cleaner(cutter(lexicon), self.text_parts, self.emoji_words, self.key_phrases)

    def lexicon(self) -> Lexicon:
        """The words of the user's files.

        Raises:
            UserError: as `Lexicon.read`.
        """
        return Lexicon.read(self.dictionary, self.stopwords)


class AddWords:
    """A picklable call of `add_words` with what a user chose.

    Args:
        settings: his settings.
        lexicon: the words of his files.
    """

    def __init__(self, settings: TextSettings, lexicon: Lexicon) -> None:
        self.settings, self.lexicon = settings, lexicon

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """The partition with its columns of cleaned text."""
        return add_words(table, self.settings.cleaner(self.lexicon))


def told_steps(row: pd.Series, cleaner: Cleaner) -> str:
    """One post's text after each step of its cleaning, to print.

    Args:
        row: the post, with `line`.
        cleaner: what cleans it.
    """
    texts = {name: str(row.get(name, "")) for name in TEXT_COLUMNS}
    cleaned = cleaner.clean(**texts)
    steps = {
        "raw": "\n".join(f"{name}: {text}" for name, text in texts.items() if text),
        "emoji": cleaned.named,
        "tags": "\n".join([" ".join(cleaned.untagged.split()), " ".join(f"#{tag}" for tag in cleaned.hashtags)]),
        "boilerplate": cleaned.sentence,
        "words": " ".join(cleaned.words),
        "key phrases": "\n".join(f"{phrase.weight:.2f} {phrase.text}" for phrase in cleaned.phrases),
    }
    lines = [f"post {row['post_id']}, line {row['line']}"]
    for step, text in steps.items():
        first, *rest = [line for line in text.splitlines() if line.strip()] or ["-"]
        lines += [f"{step:<12} {first}", *(f"{'':<12} {line}" for line in rest)]
    return "\n".join(lines)


def find_post(table: pd.DataFrame, rejected: pd.DataFrame, post_id: str, source: Path) -> pd.Series:
    """The row of a post.

    Args:
        table: rows that can be used.
        rejected: the others, with `line` and `reason`.
        post_id: which.
        source: named in messages.

    Raises:
        UserError: there is no such post, or its row cannot be used.
    """
    found = table[table["post_id"] == post_id]
    if len(found):
        return found.iloc[0]
    refused = rejected[rejected["post_id"] == post_id] if "post_id" in rejected else rejected.iloc[:0]
    if len(refused):
        first = refused.iloc[0]
        raise UserError(f"--explain {post_id}: {source}: line {first['line']}: rejected: {first['reason']}")
    some = ", ".join(table["post_id"].head(3))
    raise UserError(f"--explain {post_id}: {source} has no such post_id; it has {some}, …")
