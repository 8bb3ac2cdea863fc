"""Key phrases of a post: RAKE (Rose et al., 2010) over words, with the author's tags as phrases.

Candidates are runs of words between stop words and punctuation. A word's degree is the number of words that it stands
with in all candidates, itself among them: of the scores that the paper compares, the one that favours words which come
again in longer phrases (连衣裙 of 花卉连衣裙, 气质连衣裙, 显瘦连衣裙). A phrase scores the sum over its words. A tag
scores twice that: its author declared it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data.cutter import Run, is_latin

DECLARED = 2  # times the score of a phrase that is a tag
LONGEST = 4  # words of a phrase; a longer run is no phrase, and its words stand for themselves


@dataclass(frozen=True)
class KeyPhrase:
    """A phrase and what it is worth."""

    text: str
    """As it is shown."""
    words: Run
    """Its words, in order."""
    weight: float
    """Its share of the scores of all key phrases of the post, 0..1."""


def key_phrases(runs: Iterable[Run], tags: Mapping[str, Run], most: int) -> list[KeyPhrase]:
    """The phrases that tell most about a post.

    Args:
        runs: words of the running text, in the runs in which they stand.
        tags: each tag with its words.
        most: how many phrases.

    Returns:
        Best first; of equals, tags first, then in the order of the text. Weights sum to 1.
    """
    shown = {words: _within(tag, words) for tag, words in reversed(list(tags.items())) if words}
    candidates = [*(words for words in tags.values() if words), *_phrases(runs)]
    degree: Counter[str] = Counter()
    for phrase in candidates:
        for word in phrase:
            degree[word] += len(phrase)
    worth = {phrase: DECLARED if phrase in shown else 1 for phrase in candidates}
    scores = {phrase: worth[phrase] * sum(degree[word] for word in phrase) for phrase in candidates}
    best = sorted(scores, key=lambda phrase: -scores[phrase])[:most]  # stable: tags stand first
    total = sum(scores[phrase] for phrase in best)
    return [KeyPhrase(shown.get(phrase) or _joined(phrase), phrase, scores[phrase] / total) for phrase in best]


def _phrases(runs: Iterable[Run]) -> list[Run]:
    """Candidates of the running text; a single character by itself rarely tells what is meant."""
    found: list[Run] = []
    for run in runs:
        found += [run] if len(run) <= LONGEST else [(word,) for word in run]
    return [phrase for phrase in found if len(phrase) > 1 or len(phrase[0]) > 1]


def _within(tag: str, words: Run) -> str:
    """What the author wrote from the first word to the last: 穿搭不重样 of #7天穿搭不重样."""
    start, end = tag.find(words[0]), tag.rfind(words[-1]) + len(words[-1])
    if start < 0 or end <= start:
        return _joined(words)
    return tag[start:end] if end - start > 1 else tag


def _joined(words: Run) -> str:
    told = words[0]
    for word in words[1:]:
        told += f" {word}" if is_latin(told[-1]) and is_latin(word[0]) else word
    return told


def shares_of_words(phrases: Iterable[KeyPhrase]) -> dict[str, float]:
    """What each word of a post is worth, by its key phrases: a phrase's weight, spread over its words. Sums to 1.

    However long a text is, it has no more to share out than a short one.
    """
    shares: dict[str, float] = {}
    for phrase in phrases:
        for word in phrase.words:
            shares[word] = shares.get(word, 0.0) + phrase.weight / len(phrase.words)
    return shares


def write_shares(shares: Mapping[str, float]) -> str:
    """What words are worth as one text, most first: `连衣裙:0.5 花卉:0.25 …`."""
    return " ".join(f"{word}:{share:.4g}" for word, share in sorted(shares.items(), key=lambda s: (-s[1], s[0])))


def read_shares(text: str) -> dict[str, float]:
    """What `write_shares` wrote, to four digits; empty where a post has no key phrase."""
    pairs = (told.rpartition(":") for told in text.split())
    return {word: float(share) for word, _, share in pairs}
