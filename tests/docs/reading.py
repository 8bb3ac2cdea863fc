"""What the pages of the documentation say that can be checked: commands, flags, links, places in the nav."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^( *)```.*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
ELLIPSES = {"…", "..."}


@dataclass(frozen=True)
class Shown:
    """A command line that a page shows."""

    page: Path
    args: tuple[str, ...]
    """Words, the program first, without prompt, environment, comment and what it is piped into."""
    whole: bool
    """Whether it can be typed as it stands: in a block of its own, with nothing left out."""

    @property
    def place(self) -> str:
        """What a failed test names."""
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.args)}"


def blocks_and_prose(page: Path) -> tuple[list[str], str]:
    """The fenced blocks of a page, and the page without them."""
    text = page.read_text(encoding="utf-8")
    return [found[2] for found in FENCE.finditer(text)], FENCE.sub("", text)


def words_of(line: str) -> list[list[str]]:
    """The simple commands of a shell line, as words; none where it is no shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        words = list(lexer)
    except ValueError:  # a quote of a text that stays open
        return []
    commands: list[list[str]] = [[]]
    for word in words:
        if word in {"|", "||", "&&", ";", ">", ">>", "&"}:
            commands.append([])
        elif commands[-1] or not re.match(r"[A-Z_]+=", word):  # VARIABLE=value before the program
            commands[-1].append(word)
    return [command for command in commands if command]


def shown_commands(page: Path) -> Iterator[Shown]:
    """Every command line of a page, in blocks and between backticks."""
    blocks, prose = blocks_and_prose(page)
    for block in blocks:
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            for words in words_of(line.strip().removeprefix("$ ")):
                yield _shown(page, words, in_block=True)
    for code in CODE.findall(prose):
        for words in words_of(code.replace("\n", " ")):
            yield _shown(page, words, in_block=False)


def _shown(page: Path, words: list[str], in_block: bool) -> Shown:
    program = words[0].removeprefix(".venv/bin/")
    kept = [word for word in words[1:] if word not in ELLIPSES]
    return Shown(page, (program, *kept), in_block and len(kept) == len(words) - 1)


def of_stylecast(shown: Shown, modules: dict[str, str]) -> tuple[str, list[str]] | None:
    """Name and flags of the stylecast command that a line runs, None for another program.

    Args:
        shown: `stylecast NAME …`, `python -m MODULE …` or `torchrun … -m MODULE …`.
        modules: name of the command by its module.
    """
    program, *rest = shown.args
    if program == "stylecast" and rest and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
        return rest[0], rest[1:]
    if program in {"python", "torchrun"} and "-m" in rest:
        module, *flags = rest[rest.index("-m") + 1 :]
        return (modules[module], flags) if module in modules else None
    return None


def bare_flags(page: Path) -> Iterator[str]:
    """Flags that a page names between backticks, without a command."""
    for code in CODE.findall(blocks_and_prose(page)[1]):
        if flag := re.match(r"--[a-z][\w.-]*", code):
            yield flag[0]


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead, those to other hosts left out."""
    for target in LINK.findall(blocks_and_prose(page)[1]):
        if not re.match(r"[a-z]+:", target):
            yield target
