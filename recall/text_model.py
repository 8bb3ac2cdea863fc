"""Where the vectors of words start: in the pretraining's tag vectors, or in a text model of `transformers`.

Each word of the vocabulary goes through the text model once, by itself. What comes out takes the place of the word's
tag vector; the text model is not needed after that, and nothing of it is trained. Context is left to the layers of
`recall.matchers.TextEncoder`, or to the text model itself (`recall.context`).

Shapes: V vocabulary, W its words that the text model knows, T tokens, E width of the text model, D dimensions.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from pretrain.backbones import BROKEN
from pretrain.vocabulary import FIRST_WORD, Vocabulary
from pretrain.word_vectors import word_vectors
from stylecast.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
POOLED = ("clip_text_model", "siglip_text_model", "siglip2_text_model")  # text towers that were trained by one token
LONGEST = 32  # tokens of a word, its marks among them
PART = 128  # words at a time


@dataclass(frozen=True)
class TextConfig:
    """Where the vectors of words start, and what reads them in context."""

    model: str = ""
    """Text model of transformers by folder or hub name (BERT, RoBERTa, CLIP, Chinese-CLIP, …), from whose vectors the
    words start; empty = from the tag vectors of the pretraining. The vectors are trained further."""
    frozen: bool = False
    """Leave the vectors of words as they start; what weighs words and makes sentences of them is trained still."""
    context: Literal["none", "frozen", "tuned"] = "none"
    """none: the text model only starts the vectors of words. frozen: it also reads each query, words in context, and
    stays as it came. tuned: so, and it is trained along."""
    rate: float = 0.05
    """Learning rate of a text model that is tuned, as a share of that of the matchers, 0..1."""
    layer_decay: float = 0.9
    """Learning rate of a layer of that model as a share of that of the layer above it, 0..1."""


def check_text(config: TextConfig) -> None:
    """Before anything is read.

    Raises:
        UserError: settings that do not go together.
    """
    if config.context != "none" and not config.model:
        raise UserError(f"--text.context {config.context} needs a text model: name one with --text.model")
    if not (0 < config.rate <= 1 and 0 < config.layer_decay <= 1):
        raise UserError("--text.rate and --text.layer-decay must be above 0, and 1 at most")


@dataclass(frozen=True)
class TextModel:
    """A text model with its tokenizer, on the CPU."""

    name: str
    """Folder or hub name."""
    model: Any
    """Of transformers, in eval mode; of an encoder and a decoder, the encoder."""
    tokenizer: "PreTrainedTokenizerBase"
    """What cuts words into its tokens."""
    tokens: int
    """Tokens that the model has vectors for."""

    def known(self, words: list[str]) -> np.ndarray:
        """Which words the tokenizer can spell, without a mark for what it does not know; bool."""
        ids = self.tokenizer(words, add_special_tokens=False)["input_ids"]
        return np.array([bool(i) and self.tokenizer.unk_token_id not in i for i in ids], dtype=bool)

    def embed(self, words: list[str]) -> np.ndarray:
        """A vector of each word, by itself.

        Of a model of pictures and texts, the vector that it was trained to compare with pictures; of any other, the
        mean of the last hidden states over the tokens of the word, without the marks around them.

        Returns:
            float32 W×E.

        Raises:
            UserError: the tokenizer is that of another model.
        """
        parts = [self._embed(words[top : top + PART]) for top in range(0, len(words), PART)]
        return torch.cat(parts).float().numpy()

    def _embed(self, words: list[str]) -> Tensor:
        kind, config = self.model.config.model_type, self.model.config.get_text_config()
        # SigLIP was trained on texts that are padded to full length, and looks at the last place.
        full = kind.startswith("siglip")
        told = self.tokenizer(
            words, padding="max_length" if full else True, padding_side="right", truncation=True,
            max_length=config.max_position_embeddings if full else LONGEST,
            return_special_tokens_mask=True, return_tensors="pt",
        )  # fmt: skip
        ids_WT, own_WT = told["input_ids"], ~told["special_tokens_mask"].bool()
        if int(ids_WT.max()) >= self.tokens:
            raise UserError(
                f"--text.model {self.name}: its tokenizer is that of another model ({int(ids_WT.max()) + 1} tokens or "
                f"more, but the model has {self.tokens}); give a checkpoint with its own"
            )
        mask_WT = None if full else told["attention_mask"]
        with torch.inference_mode():
            if hasattr(self.model, "get_text_features"):
                features = self.model.get_text_features(input_ids=ids_WT, attention_mask=mask_WT)
                return features if isinstance(features, Tensor) else features.pooler_output
            states = self.model(input_ids=ids_WT, attention_mask=mask_WT)
        if kind in POOLED:
            return states.pooler_output
        weight_WT = own_WT / own_WT.sum(dim=1, keepdim=True)
        return torch.einsum("wt,wte->we", weight_WT, states.last_hidden_state)


def open_text_model(name: str) -> TextModel:
    """Load a text model by path or hub name.

    Raises:
        UserError: it cannot be loaded, lacks weights or a tokenizer, or is no text model.
    """
    # Takes seconds: only who needs it pays.
    from transformers import AutoModel, AutoTokenizer

    try:
        model, told = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    except BROKEN as error:
        raise UserError(
            f"--text.model {name}: transformers cannot load it ({str(error).splitlines()[0]}); "
            "give the folder of a checkpoint, or a hub name that this machine can reach"
        ) from error
    both = hasattr(model, "get_text_features")
    if model.main_input_name != "input_ids":
        raise UserError(
            f"--text.model {name}: {type(model).__name__} is no text model; give a BERT, RoBERTa, or a CLIP-like model"
        )
    # transformers fills in random weights; those of pictures and of a pooler that is not used may well be missing.
    pooled = both or model.config.model_type in POOLED
    missing = [k for k in told["missing_keys"] if ("pooler" not in k or pooled) and (k.startswith("text_") or not both)]
    if missing:
        raise UserError(
            f"--text.model {name}: the checkpoint lacks weights of its architecture, such as {sorted(missing)[0]}; "
            "give a whole one"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except BROKEN as error:
        raise UserError(
            f"--text.model {name}: its tokenizer cannot be loaded ({str(error).splitlines()[0]}); "
            "save the model's own beside it"
        ) from error
    # Where the files of a tokenizer are missing, transformers may make one that knows nothing but its marks.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise UserError(f"--text.model {name}: it has no tokenizer; save the model's own beside it")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokens = model.config.get_text_config().vocab_size
    return TextModel(
        name, (model.get_encoder() if model.config.is_encoder_decoder else model).eval(), tokenizer, tokens
    )


def placed(vectors_WE: np.ndarray, tags_WD: np.ndarray) -> np.ndarray:
    """Vectors of a text model, moved to where the tag vectors are: heads of pictures already point there.

    Less their mean, which all words share and which says nothing (Mu & Viswanath 2018); the D directions in which they
    differ most; turned as a whole to lie as near to the tag vectors as can be (orthogonal Procrustes, Schönemann 1966),
    which leaves every angle between words as it is; as long as the tag vectors, on average.

    Returns:
        float32 W×D.
    """
    centred_WE = vectors_WE - vectors_WE.mean(axis=0, dtype=np.float64)
    _, directions_EE = np.linalg.eigh(centred_WE.T @ centred_WE)
    reduced_WD = np.zeros(tags_WD.shape)
    kept = centred_WE @ directions_EE[:, ::-1][:, : tags_WD.shape[1]]
    reduced_WD[:, : kept.shape[1]] = kept
    left_DD, _, right_DD = np.linalg.svd(reduced_WD.T @ tags_WD)
    turned_WD = reduced_WD @ (left_DD @ right_DD)
    length = np.sqrt((turned_WD**2).mean())
    return (turned_WD * np.sqrt((tags_WD.astype(np.float64) ** 2).mean()) / max(length, 1e-12)).astype(np.float32)


def starting_table(
    config: TextConfig, vocabulary: Vocabulary, tags_VD: Tensor | None, words_PW: np.ndarray, dim: int, seed: int
) -> Tensor:
    """Vectors that the words of the matchers start from.

    Args:
        config: where from.
        vocabulary: the words.
        tags_VD: tag vectors of the pretraining; None = it had no tag loss.
        words_PW: distinct word numbers of the training posts: without tags, the company of words stands in for them.
        dim: D.
        seed: of what is random there.

    Returns:
        float32 V×D; a word that the text model does not know keeps its tag vector.

    Raises:
        UserError: the text model cannot be used, or knows fewer than two of the words.
    """
    table_VD = torch.from_numpy(word_vectors(words_PW, len(vocabulary), dim, seed)) if tags_VD is None else tags_VD
    if not config.model:
        return table_VD
    text, words = open_text_model(config.model), list(vocabulary.words[FIRST_WORD:])
    known = text.known(words)
    if known.sum() < 2:
        raise UserError(
            f"--text.model {config.model}: its tokenizer knows {known.sum()} of the {len(words)} words; "
            "give a model of the language of the posts"
        )
    log.info("words start from %s, which knows %d of %d", config.model, known.sum(), len(words))
    rows = FIRST_WORD + np.flatnonzero(known)
    vectors_WE = text.embed([w for w, knows in zip(words, known, strict=True) if knows])
    table_VD = table_VD.clone()
    table_VD[rows] = torch.from_numpy(placed(vectors_WE, table_VD[rows].numpy()))
    return table_VD
