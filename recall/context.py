"""Words read in context: a text model of `transformers` reads the whole query, frozen or tuned.

The words of a query are put one after the other, in the model's own tokens, between its marks, and go through it at
once. The states of a word's tokens are averaged into one of the word; those of all words into one of the query. Both
are added, through projections that start at zero, to what `recall.matchers.TextEncoder` makes of the words: a training
starts from the vectors of words, and learns what context adds.

Shapes: Q queries, W words of a query (padded), T tokens of a word (padded), E width of the text model, D dimensions,
V vocabulary.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.backbones import BROKEN, layer_shares
from pretrain.vocabulary import FIRST_WORD, Vocabulary
from recall.matchers import TextEncoder
from recall.reader import Reader, Source
from recall.text_model import TextConfig, TextModel, check_text, open_text_model
from stylecast.errors import UserError

log = logging.getLogger(__name__)
FOLDER, FACTS = "text_model", "context.json"
FARTHEST = 256  # tokens of a query that are read at most
LONGEST = 8  # tokens of a word that are read


class ContextEncoder(TextEncoder):
    """Words to vectors, states and a sentence vector, each with what a text model reads in the query.

    Args:
        table_VD: vectors that the words start from.
        reader: the text model.
        config: how it is trained.
    """

    def __init__(self, table_VD: Tensor, reader: Reader, config: TextConfig) -> None:
        super().__init__(table_VD, config.frozen)
        dim = table_VD.shape[1]
        self.reader, self.config = reader, config
        self.norm = nn.LayerNorm(reader.width)
        self.read_word, self.read_sentence = (nn.Linear(reader.width, dim) for _ in range(2))
        for layer in (self.read_word, self.read_sentence):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def read(self, words_QW: Tensor, real_QW: Tensor) -> tuple[Tensor, Tensor]:
        """What context adds to the vector of each word, and to the sentence."""
        states_QWE = self.norm(self.reader(words_QW))
        mean_QE = (states_QWE * real_QW[..., None]).sum(dim=1) / real_QW.sum(dim=1, keepdim=True).clamp(min=1)
        return self.read_word(states_QWE), self.read_sentence(mean_QE)

    def vectors(self) -> Tensor:
        """The vector of each word when it stands by itself; V×D, without gradient."""
        numbers_V1 = torch.arange(len(self.table_VD), device=self.table_VD.device)[:, None]
        with torch.no_grad():
            return torch.cat([self(part).words_QWD[:, 0] for part in numbers_V1.split(256)])

    def learning_rates(self) -> dict[str, float]:
        """Those of the text model's layers."""
        names = [name for name, _ in self.reader.model.named_parameters()]
        shares = layer_shares(names, self.config.layer_decay)
        return {f"reader.model.{name}": self.config.rate * share for name, share in shares.items()}

    def save(self, folder: Path) -> None:
        """Write `text_model/`, all that is needed to build the encoder again but for its weights; and the tokenizer."""
        (folder / FOLDER).mkdir(exist_ok=True)
        self.reader.source.save(folder / FOLDER)
        told = {"context": self.config.context, "before": self.reader.marks[0], "after": self.reader.marks[1],
                "places": self.reader.places}  # fmt: skip
        (folder / FOLDER / FACTS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _tower(model: Any) -> Any:  # noqa: ANN401  (of transformers)
    """What reads the text, of a model that may do more."""
    if hasattr(model, "get_text_features"):
        return model.text_model
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _tokens(text: TextModel, vocabulary: Vocabulary) -> tuple[Tensor, tuple[list[int], list[int]]]:
    """The tokens of each word, V×T padded with -1; and the marks before and after a text.

    A word is cut as one that follows another. One that the tokenizer cannot spell has none.
    """
    words = list(vocabulary.words[FIRST_WORD:])
    known = text.known(words)
    cut = text.tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    kept = [ids[:LONGEST] if knows else [] for ids, knows in zip(cut, known, strict=True)]
    tokens_VT = torch.full((len(vocabulary), max(map(len, kept), default=1) or 1), -1)
    for row, ids in enumerate(kept, FIRST_WORD):
        tokens_VT[row, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
    whole = text.tokenizer(words[int(known.argmax())], return_special_tokens_mask=True)
    mask, ids = whole["special_tokens_mask"], whole["input_ids"]
    first = mask.index(0)
    last = len(mask) - mask[::-1].index(0)
    return tokens_VT, (ids[:first], ids[last:])


def build_text(config: TextConfig, table_VD: Tensor, vocabulary: Vocabulary) -> TextEncoder:
    """A new text encoder, with a text model that reads in context where the config asks for one.

    Args:
        config: the settings.
        table_VD: vectors that the words start from.
        vocabulary: the words.

    Raises:
        UserError: the text model cannot be used.
    """
    check_text(config)
    if config.context == "none":
        return TextEncoder(table_VD, config.frozen)
    # Takes seconds: only who needs it pays.
    from transformers import AutoConfig

    text = open_text_model(config.model)
    source = Source(AutoConfig.from_pretrained(config.model), text.tokenizer)
    model = text.model.text_model if hasattr(text.model, "get_text_features") else text.model
    tokens_VT, marks = _tokens(text, vocabulary)
    if int(tokens_VT.max()) >= text.tokens:
        raise UserError(f"--text.model {config.model}: its tokenizer is that of another model; give one with its own")
    # Two places fewer than there are vectors: models of RoBERTa's kind count from there.
    places = getattr(model.config.get_text_config(), "max_position_embeddings", FARTHEST + 2) - 2
    reader = Reader(model, tokens_VT, marks, min(places, FARTHEST), config.context == "frozen", source)
    if config.context == "tuned":
        _rest(reader)
    spelt = int((tokens_VT[FIRST_WORD:, 0] >= 0).sum())
    log.info("%s reads queries in context (%s), %d of %d words", config.model, config.context, spelt, len(tokens_VT))
    return ContextEncoder(table_VD, reader, config)


def _rest(reader: Reader) -> None:
    """Leave what does not bear on the states as it is, such as a pooler: several processes wait for every gradient."""
    with torch.enable_grad():
        reader.eval()(torch.arange(FIRST_WORD, min(FIRST_WORD + 8, len(reader.tokens_VT)))[None]).sum().backward()
    for parameter in reader.model.parameters():
        parameter.requires_grad_(parameter.grad is not None)
        parameter.grad = None


def load_text(folder: Path, weights: Mapping[str, Tensor]) -> TextEncoder:
    """The text encoder of a run folder, on the CPU, in eval mode.

    Args:
        folder: of the run.
        weights: of the encoder.

    Raises:
        UserError: what is left of its text model cannot be read.
    """
    if not (folder / FOLDER).is_dir():
        text = TextEncoder(weights["table_VD"])
    else:
        # Takes seconds: only who needs it pays.
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        try:
            told = json.loads((folder / FOLDER / FACTS).read_text(encoding="utf-8"))
            config = AutoConfig.from_pretrained(folder / FOLDER)
            tokenizer = AutoTokenizer.from_pretrained(folder / FOLDER)
            model = _tower(AutoModel.from_config(config))
        except BROKEN as error:
            raise UserError(
                f"{folder / FOLDER}: cannot be read ({str(error).splitlines()[0]}); run the stage again with --force"
            ) from error
        marks = (told["before"], told["after"])
        source, frozen = Source(config, tokenizer), told["context"] == "frozen"
        reader = Reader(model, weights["reader.tokens_VT"], marks, told["places"], frozen, source)
        text = ContextEncoder(weights["table_VD"], reader, TextConfig(model=str(folder), context=told["context"]))
    text.load_state_dict(weights)
    return text.eval()
