"""Tiny text models with random weights, and a tokenizer of single characters, as transformers saves them."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    SiglipConfig,
    SiglipModel,
    T5Config,
    T5Model,
)

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = list("红绿蓝色圆形方块今天气周末公园电影")  # no 咖啡
SIZE = 40
WIDTH = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
ENDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
TEXT = {"vocab_size": SIZE, "max_position_embeddings": 24, **WIDTH}
VISION = {"image_size": 32, "patch_size": 8, **WIDTH}
T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2}

FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": lambda: BertModel(BertConfig(**TEXT)),
    "roberta": lambda: RobertaModel(RobertaConfig(**TEXT | {"max_position_embeddings": 50}, **ENDS)),
    "t5": lambda: T5Model(T5Config(vocab_size=SIZE, decoder_start_token_id=0, **T5)),
    "clip-text": lambda: CLIPTextModel(CLIPTextConfig(**TEXT, **ENDS)),
    "clip": lambda: CLIPModel(CLIPConfig(text_config=TEXT | ENDS, vision_config=VISION, projection_dim=12)),
    "chinese-clip": lambda: ChineseCLIPModel(
        ChineseCLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=12)
    ),
    "siglip": lambda: SiglipModel(SiglipConfig(text_config=TEXT | ENDS, vision_config=VISION)),
}


def text_checkpoint(kind: str, folder: Path) -> tuple[Path, PreTrainedModel, BertTokenizerFast]:
    """A tiny checkpoint that spells the words of the shapes but for 咖啡; with its model and tokenizer."""
    torch.manual_seed(0)
    model = FAMILIES[kind]().eval()
    for parameter in model.parameters():  # as they are initialised, all words come out nearly alike
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    tokenizer = BertTokenizerFast(vocab={token: i for i, token in enumerate(MARKS + CHARACTERS)})
    tokenizer.save_pretrained(folder)
    return folder, model, tokenizer


def english_checkpoint(folder: Path) -> Path:
    """A tiny BERT that spells Latin words letter by letter."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*MARKS, *letters, *(f"##{letter}" for letter in letters)]
    torch.manual_seed(0)
    BertModel(BertConfig(**TEXT | {"vocab_size": len(tokens)})).save_pretrained(folder)
    BertTokenizerFast(vocab={token: i for i, token in enumerate(tokens)}).save_pretrained(folder)
    return folder
