"""What the comments on a post feel: a text-classification model of `transformers`, averaged by post.

Shapes: N comments, B of them at a time, L labels.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError

from data.tables import read_table
from stylecast.errors import UserError
from stylecast.logs import progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
COLUMN = "sentiment"
PART = 64  # comments at a time
LONGEST = 128  # tokens of a comment; what follows is cut off
_NAMES = {
    "positive": 1.0, "pos": 1.0, "neutral": 0.0, "neu": 0.0, "negative": -1.0, "neg": -1.0,
    "very positive": 1.0, "very negative": -1.0, "正面": 1.0, "积极": 1.0, "好评": 1.0, "中性": 0.0,
    "负面": -1.0, "消极": -1.0, "差评": -1.0,
}  # fmt: skip
_STARS = re.compile(r"([1-5]) ?(?:stars?|星)?")
_REMARK = re.compile(r"\(.*\)")
_BROKEN = (OSError, ValueError, ImportError, RuntimeError, SafetensorError)  # how transformers refuses a checkpoint


@dataclass(frozen=True, kw_only=True)
class SentimentSettings:
    """How the comments on posts are read."""

    comments: Path | None = None
    """Table of comments, `post_id,text`, one a row: .csv, .tsv, .jsonl (each may end in .gz) or .parquet."""
    sentiment: str = ""
    """Text-classification model of transformers by folder or hub name. What it says of the comments of a post is
    averaged into the column `sentiment`, -1 (negative) to 1 (positive)."""
    sentiment_labels: tuple[str, ...] = ()
    """What the labels of the model are worth, -1..1, as LABEL=NUMBER; not needed for positive, neutral, negative, for
    1 to 5 stars, or for LABEL_0 and LABEL_1 (negative, positive)."""

    def check_sentiment(self) -> None:
        """Refuse one half without the other.

        Raises:
            UserError: comments without a model, or a model without comments.
        """
        if bool(self.comments) != bool(self.sentiment):
            missing, given = ("--comments", "--sentiment") if self.sentiment else ("--sentiment", "--comments")
            raise UserError(f"{given} needs {missing} too: a table of comments, and a model that tells what they feel")
        if self.sentiment_labels and not self.sentiment:
            raise UserError("--sentiment-labels: there is no --sentiment model whose labels they are")

    def sentiment_files(self) -> dict[str, Path]:
        """The comments and, where it is a folder, the model, as inputs of a run."""
        if self.comments is None:
            return {}
        model = Path(self.sentiment)
        return {"comments": self.comments} | ({"sentiment": model} if model.is_dir() else {})


def label_values(labels: list[str], told: tuple[str, ...], model: str) -> np.ndarray:
    """What each label of a model is worth.

    Args:
        labels: in the order of the model's outputs.
        told: of the user, as LABEL=NUMBER; they come first.
        model: named in messages.

    Returns:
        float32 L, -1..1.

    Raises:
        UserError: a label whose worth nothing tells, or that the model does not have.
    """
    given: dict[str, float] = {}
    for pair in told:
        label, equals, number = pair.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not equals or not -1 <= value <= 1:
            raise UserError(f"--sentiment-labels {pair}: use LABEL=NUMBER, the number from -1 to 1")
        if label not in labels:
            raise UserError(f"--sentiment-labels {pair}: {model} has no such label; it has {', '.join(labels)}")
        given[label] = value
    # Two labels without a name: by custom the first is negative.
    known = {"label_0": -1.0, "label_1": 1.0} if len(labels) == 2 else {}
    worth = [given.get(label, _worth(label, known)) for label in labels]
    unknown = [label for label, value in zip(labels, worth, strict=True) if value is None]
    if unknown:
        raise UserError(
            f"--sentiment {model}: what its label {unknown[0]!r} is worth is not known; its labels are "
            f"{', '.join(labels)}: tell by --sentiment-labels {unknown[0]}=NUMBER, from -1 to 1"
        )
    return np.array(worth, np.float32)


def _worth(label: str, known: dict[str, float]) -> float | None:
    if label.lower() in known:
        return known[label.lower()]
    plain = _REMARK.sub("", label.lower().replace("_", " ")).strip()  # "negative (stars 1, 2 and 3)"
    if stars := _STARS.fullmatch(plain):
        return (int(stars[1]) - 3) / 2
    return _NAMES.get(plain)


@dataclass(frozen=True)
class Sentiment:
    """A classifier of texts, on the CPU."""

    model: Any
    """Of transformers, in eval mode."""
    tokenizer: "PreTrainedTokenizerBase"
    """Its own."""
    worth_L: np.ndarray
    """What each label is worth, -1..1."""
    longest: int
    """Tokens that it takes."""

    @classmethod
    def load(cls, name: str, labels: tuple[str, ...]) -> "Sentiment":
        """Load a model by folder or hub name.

        Raises:
            UserError: it cannot be loaded, is no whole text classifier, or has labels that nothing explains.
        """
        # Takes seconds: only who needs it pays.
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            model, told = AutoModelForSequenceClassification.from_pretrained(
                name, dtype=torch.float32, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(name)
        except _BROKEN as error:
            raise UserError(
                f"--sentiment {name}: transformers cannot load it ({str(error).splitlines()[0]}); give the folder of a "
                "text classifier with its tokenizer, or a hub name that this machine can reach"
            ) from error
        if told["missing_keys"]:  # transformers fills in random weights
            raise UserError(
                f"--sentiment {name}: the checkpoint lacks {sorted(told['missing_keys'])[0]}: it is no trained text "
                "classifier"
            )
        names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
        worth_L = label_values(names, labels, name)
        if tokenizer.pad_token is None:
            raise UserError(f"--sentiment {name}: its tokenizer has no mark for padding; save one beside it")
        longest = min(LONGEST, getattr(model.config, "max_position_embeddings", LONGEST) - 2)
        return cls(model.eval(), tokenizer, worth_L, longest)

    def __call__(self, texts: list[str]) -> np.ndarray:
        """What texts feel: the worth of the labels, weighted by their probability; float32 N, -1..1.

        Rounded to 1/10,000, so that what stands beside a text in its batch does not show.
        """
        found = np.zeros(len(texts), np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")  # alike in length, so little padding
        for start in progress(range(0, len(texts), PART), "comments", unit="part"):
            rows_B = order[start : start + PART]
            told = self.tokenizer(
                [texts[row] for row in rows_B], padding=True, truncation=True, max_length=self.longest,
                return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                share_BL = self.model(**told).logits.softmax(dim=1).numpy()
            found[rows_B] = np.round(share_BL @ self.worth_L, 4)
        return found


def read_comments(path: Path, encoding: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of comments.

    Returns:
        `post_id, text`, and the rows that cannot be used as `line, post_id, column, value, reason`.

    Raises:
        UserError: it cannot be read, or lacks a column.
    """
    table, unread = read_table(path, encoding)
    missing = [name for name in ("post_id", "text") if name not in table]
    if missing:
        raise UserError(f"--comments {path}: no column {missing[0]!r}; it has {', '.join(table.columns)}")
    table = table.assign(post_id=table["post_id"].str.strip(), text=table["text"].str.strip())
    empty = (table["text"] == "") | (table["post_id"] == "")
    reasons = np.where(table["post_id"] == "", "no post id", "no text")
    bad = table.assign(column="text", value=table["text"], reason=reasons)[empty]
    rejected = pd.concat([unread, bad[["line", "post_id", "column", "value", "reason"]]])
    return table.loc[~empty, ["post_id", "text"]], rejected


def add_sentiment(
    table: pd.DataFrame, settings: SentimentSettings, encoding: str = "utf-8"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add `sentiment`, the mean over a post's comments, missing where it has none.

    Args:
        table: posts.
        settings: the comments and the model; without them nothing is added.
        encoding: of the table of comments.

    Returns:
        The posts, and the comments that could not be used.

    Raises:
        UserError: as `read_comments` and `Sentiment.load`; no comment belongs to any of the posts.
    """
    if settings.comments is None:
        return table, pd.DataFrame(columns=["line", "post_id", "column", "value", "reason"])
    if COLUMN in table:
        raise UserError(f"--numeric {COLUMN}: the column of --sentiment has that name; give yours another by --rename")
    model = Sentiment.load(settings.sentiment, settings.sentiment_labels)
    comments, rejected = read_comments(settings.comments, encoding)
    known = comments[comments["post_id"].isin(table["post_id"])]
    if known.empty:
        raise UserError(f"--comments {settings.comments}: no comment of {len(comments)} belongs to a post of the table")
    texts = known["text"].unique()
    feels = known["text"].map(dict(zip(texts, model(list(texts)), strict=True))).astype(np.float64)
    # Sorted first, so that the sums do not depend on the order of rows, to the last bit.
    mean = feels.groupby(known["post_id"]).agg(lambda values: np.sort(values.to_numpy()).mean())
    log.info(
        "sentiment of %d comments on %d posts, %.2f on average; %d comments belong to no post of the table",
        len(known), len(mean), feels.mean(), len(comments) - len(known),
    )  # fmt: skip
    return table.assign(**{COLUMN: table["post_id"].map(mean)}), rejected
