"""Tiny checkpoints of vision families, with random weights, as transformers saves them."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import (
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    ConvNextConfig,
    ConvNextModel,
    PreTrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ResNetModel,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)

TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8}
TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}
CONV = {"hidden_sizes": [8, 16], "depths": [1, 2]}


def two_towers(cls: type[PreTrainedModel], config: type[PreTrainedConfig]) -> PreTrainedModel:
    return cls(config(text_config=TEXT, vision_config={"image_size": 32, **TOWER}))


FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "resnet": lambda: ResNetModel(ResNetConfig(embedding_size=8, layer_type="basic", **CONV)),
    "resnet-classifier": lambda: ResNetForImageClassification(
        ResNetConfig(embedding_size=8, layer_type="basic", **CONV)
    ),
    "convnext": lambda: ConvNextModel(ConvNextConfig(num_stages=2, image_size=32, **CONV)),
    "vit": lambda: ViTModel(ViTConfig(image_size=32, **TOWER)),
    "vit-classifier": lambda: ViTForImageClassification(ViTConfig(image_size=32, **TOWER)),
    "clip": lambda: two_towers(CLIPModel, CLIPConfig),
    "clip-vision": lambda: CLIPVisionModel(CLIPVisionConfig(image_size=32, **TOWER)),
    "clip-projection": lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(image_size=32, **TOWER)),
    "chinese-clip": lambda: two_towers(ChineseCLIPModel, ChineseCLIPConfig),
    "siglip": lambda: two_towers(SiglipModel, SiglipConfig),
    "siglip-vision": lambda: SiglipVisionModel(SiglipVisionConfig(image_size=32, **TOWER)),
}


def checkpoint(kind: str, folder: Path) -> tuple[Path, PreTrainedModel]:
    """A tiny checkpoint with random weights, as transformers saves it; and the model."""
    torch.manual_seed(0)
    model = FAMILIES[kind]()
    model.save_pretrained(folder)
    ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]).save_pretrained(folder)
    return folder, model.eval()
