"""The caption loss: a decoder seeded by head 0 writes the words of the post.

The decoder is a neural n-gram model (Bengio et al. 2003) that looks back on the last WINDOW words: all places are
computed at once, where the steps of a recurrent one cost as much as a small picture encoder.

Shapes: B pictures, D dimensions, T tokens (padded), V vocabulary, M real tokens of a batch, W words looked back on.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.beam import BeamConfig, Written, beam_search
from pretrain.linear_cross_entropy import linear_cross_entropy
from pretrain.lookup import lookup
from pretrain.vocabulary import BEGIN, END, PAD
from stylecast.shapes import filled_up

WINDOW = 6


def caption_tokens(words: list[list[int]], width: int, words_known: int) -> np.ndarray:
    """Word numbers as captions: cut to leave room for the end mark, ended, padded.

    Args:
        words: numbers of the words of each post, in text order.
        width: length of a caption with its end mark.
        words_known: numbers from here on (rare words) are left out.

    Returns:
        int64 P×width.
    """
    tokens = np.full((len(words), width), PAD, dtype=np.int64)
    for row, numbers in enumerate(words):
        cut = [*[n for n in numbers if n < words_known][: width - 1], END]
        tokens[row, : len(cut)] = cut
    return tokens


class CaptionLoss(nn.Module):
    """Cross-entropy of the next word, given head 0 and the words before; embeddings tied in and out.

    Head 0 is added before and after the nonlinearity of every place, and words before are hidden at random,
    so that the decoder cannot live on language alone.

    Args:
        table_VD: vectors that the words start from; D is also the length of head 0 and of the state.
        rates_V: share of training posts that hold each word; the output bias starts as its logarithm.
        hidden_words: probability that a word before is hidden.
    """

    def __init__(self, table_VD: np.ndarray, rates_V: np.ndarray, hidden_words: float = 0.3) -> None:
        super().__init__()
        dim = table_VD.shape[1]
        self.table_VD = nn.Parameter(torch.from_numpy(table_VD.copy()))
        bias_V = torch.from_numpy(rates_V).log()
        bias_V[END] = 0.0  # every caption ends, whatever its words
        self.bias_V = nn.Parameter(bias_V)
        self.seed = nn.Linear(dim, dim)
        self.decoder = nn.Linear(WINDOW * dim, dim)
        self.out = nn.Linear(dim, dim)
        self.hidden_words = hidden_words

    def forward(self, sentence_BD: Tensor, tokens_BT: Tensor) -> Tensor:
        """Mean over captions of the mean cross-entropy of their tokens, nats.

        Args:
            sentence_BD: head 0 of each picture.
            tokens_BT: of `caption_tokens`.

        Returns:
            A scalar.
        """
        states_MD, target_M, caption_M = self._decoded(sentence_BD, tokens_BT)
        length_B = torch.bincount(caption_M, minlength=len(tokens_BT))
        weight_M = filled_up(1 / (length_B[caption_M] * len(tokens_BT)))
        return linear_cross_entropy(states_MD, self.table_VD, self.bias_V, target_M, weight_M)

    def token_losses(self, sentence_BD: Tensor, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each real token, nats, and which caption it is in."""
        states_MD, target_M, caption_M = self._decoded(sentence_BD, tokens_BT)
        losses_M = F.cross_entropy(self._logits(states_MD).float(), target_M, reduction="none")
        return losses_M[: len(caption_M)], caption_M

    def _decoded(self, sentence_BD: Tensor, tokens_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """State and word of each real token, and the caption of each; the first two are filled up."""
        before_BT = torch.cat([torch.full_like(tokens_BT[:, :1], BEGIN), tokens_BT[:, :-1]], dim=1)
        if self.training and self.hidden_words:
            hide = torch.rand(before_BT.shape, device=before_BT.device) < self.hidden_words
            before_BT = before_BT.masked_fill(hide, BEGIN)
        window_BTW = F.pad(before_BT, (WINDOW - 1, 0), value=PAD).unfold(1, WINDOW, 1)
        # Only real tokens are decoded, and the first one some more times.
        real = (tokens_BT != PAD).nonzero(as_tuple=True)
        caption_M, place_M = (filled_up(index) for index in real)
        seed_MD = F.embedding(caption_M, torch.tanh(self.seed(sentence_BD)))
        words_MWD = lookup(self.table_VD, window_BTW[caption_M, place_M], seed_MD.dtype)
        return self._state(words_MWD, seed_MD), tokens_BT[caption_M, place_M], real[0]

    def _state(self, words_MWD: Tensor, seed_MD: Tensor) -> Tensor:
        """What the next word is told by, M×D, from the words before and the picture's seed."""
        return self.out(F.relu(self.decoder(words_MWD.flatten(1)) + seed_MD) + seed_MD)

    def _logits(self, states_MD: Tensor) -> Tensor:
        """Logits of the next word, M×V."""
        return states_MD @ self.table_VD.T + self.bias_V

    def write(self, sentence_BD: Tensor, places: int, config: BeamConfig, chunk: int = 128) -> Written:
        """Write a caption for each picture.

        Args:
            sentence_BD: head 0 of each picture.
            places: longest caption with its end mark.
            config: of the beam search.
            chunk: pictures at a time; the last chunk is filled up, so that it changes no other.

        Returns:
            The captions and their log probabilities; a picture's caption is its own, whatever stands beside it.
        """
        parts = []
        for part_BD in sentence_BD.split(chunk):
            filled_BD = F.pad(part_BD, (0, 0, 0, chunk - len(part_BD)))
            seed_BD = torch.tanh(self.seed(filled_BD))
            nothing_BWD = self.table_VD[PAD].expand(len(seed_BD), WINDOW - 1, -1)
            written = beam_search(self._step, torch.cat([seed_BD[:, None], nothing_BWD], dim=1), places, config)
            parts.append((written.tokens_BT[: len(part_BD)], written.log_probability_B[: len(part_BD)]))
        tokens, values = zip(*parts, strict=True)
        return Written(torch.cat(tokens), torch.cat(values))

    def _step(self, before_M: Tensor, state_MWD: Tensor) -> tuple[Tensor, Tensor]:
        """One word on; the state is the seed, and the words looked back on but for the last."""
        seed_MD = state_MWD[:, 0]
        words_MWD = torch.cat([state_MWD[:, 1:], self.table_VD[before_M][:, None]], dim=1)
        logits_MV = self._logits(self._state(words_MWD, seed_MD))
        return logits_MV.log_softmax(dim=1), torch.cat([seed_MD[:, None], words_MWD[:, 1:]], dim=1)
