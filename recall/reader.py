"""A text model of `transformers` that reads queries made of vocabulary words: the state of each word in its query.

Shapes: Q queries, W words of a query (padded), T tokens of a word (padded), X places of all of its tokens with the
marks, L of these that are kept, E width of the text model, V vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

REMEMBERED = 256 * 2**20  # bytes of states that a frozen model remembers


@dataclass(frozen=True)
class Source:
    """Where a reader comes from, to be kept beside its weights."""

    config: "PretrainedConfig"
    """Of the whole model."""
    tokenizer: "PreTrainedTokenizerBase"
    """Of the model."""

    def save(self, folder: Path) -> None:
        """Write both as transformers does."""
        self.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


class Reader(nn.Module):
    """A text model that reads queries made of vocabulary words.

    Args:
        model: of transformers; token ids to hidden states.
        tokens_VT: the tokens of each word, padded with -1.
        marks: tokens that the model sets before and after a text.
        places: most tokens that the model reads.
        frozen: whether it stays as it came, dropout included.
        source: what is kept beside the weights.
    """

    came_trained = True  # the loop tunes it by AdamW
    tokens_VT: Tensor

    def __init__(
        self, model: Any, tokens_VT: Tensor, marks: tuple[list[int], list[int]], places: int,  # noqa: ANN401
        frozen: bool, source: Source,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model: nn.Module = model.requires_grad_(not frozen)
        self.register_buffer("tokens_VT", tokens_VT)
        self.marks, self.places, self.frozen, self.source = marks, places, frozen, source
        self.width = int(model.config.get_text_config().hidden_size)
        self.known: dict[bytes, Tensor] = {}

    def train(self, mode: bool = True) -> "Reader":
        """Training mode, but for a frozen model."""
        return super().train(mode and not self.frozen)

    def forward(self, words_QW: Tensor) -> Tensor:
        """The state of each word in its query, float32 Q×W×E; zero for padding, and for words without tokens."""
        if not self.frozen:
            return self._read(words_QW)
        # A frozen model says the same of the same query: most come again in the next epoch.
        numbers_QW = words_QW.cpu().numpy()
        keys = [row.tobytes() for row in numbers_QW]
        new = [place for place, key in enumerate(keys) if key not in self.known]
        found: dict[bytes, Tensor] = {}
        # Not in the autocast of a training: what is remembered must not depend on who asked first.
        with torch.no_grad(), torch.autocast(words_QW.device.type, enabled=False):
            if new:
                states = self._read(words_QW[new]).half()
                found = {keys[place]: state for place, state in zip(new, states, strict=True)}
            states_QWE = torch.stack([found[key] if key in found else self.known[key] for key in keys]).float()
        size = words_QW.shape[1] * self.width * 2
        for key, state in found.items():
            if (len(self.known) + 1) * size <= REMEMBERED:
                self.known[key] = state.clone()
        return states_QWE

    def _read(self, words_QW: Tensor) -> Tensor:
        ids_QL, word_QL, real_QL = self._lay_out(words_QW)
        states_QLE = self.model(input_ids=ids_QL, attention_mask=real_QL.long()).last_hidden_state.float()
        # The marks are of a word beyond the last, which is left out.
        member_QLW = F.one_hot(word_QL, words_QW.shape[1] + 1)[..., :-1] * real_QL[..., None]
        share_QLW = member_QLW / member_QLW.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.einsum("qlw,qle->qwe", share_QLW.to(states_QLE.dtype), states_QLE)

    def _lay_out(self, words_QW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens of each query, the place of the word that each is of (W = a mark), and which are no padding; Q×L."""
        count, width = words_QW.shape
        tokens_QX = self.tokens_VT[words_QW].flatten(1)
        device = words_QW.device
        word_QX = torch.arange(width, device=device).repeat_interleave(self.tokens_VT.shape[1]).repeat(count, 1)
        before, after = (torch.tensor(part, device=device).long().repeat(count, 1) for part in self.marks)
        # What does not fit between the marks is not read.
        room = self.places - before.shape[1] - after.shape[1]
        tokens_QX = tokens_QX.masked_fill((tokens_QX >= 0).cumsum(dim=1) > room, -1)
        tokens_QX = torch.cat([before, tokens_QX, after], dim=1)
        word_QX = torch.cat([torch.full_like(before, width), word_QX, torch.full_like(after, width)], dim=1)
        real_QX = tokens_QX >= 0
        # Real tokens to the left, in their order. In training no further than the longest query; else as far as any
        # query of this width could reach, so that a query's states do not depend on those beside it.
        longest = int(real_QX.sum(dim=1).max()) if self.training else min(self.places, tokens_QX.shape[1])
        order_QL = torch.argsort((~real_QX).long(), dim=1, stable=True)[:, :longest]
        real_QL = real_QX.gather(1, order_QL)
        return tokens_QX.gather(1, order_QL).clamp(min=0), word_QX.gather(1, order_QL), real_QL
