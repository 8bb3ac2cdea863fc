"""What turns pixels into region vectors: a small network from scratch, or any vision model of `transformers`.

Shapes: B pictures, C channels, R regions (cells of the last feature map), S pixels a side.
"""

import inspect
import logging
import re
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from stylecast.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BROKEN = (OSError, ValueError, ImportError, RuntimeError, SafetensorError)  # how transformers refuses a checkpoint
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class _Residual(nn.Module):
    """Pre-activation residual block (He et al. 2016) with GroupNorm, which no other picture can influence."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, channels), nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BCSS: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x_BCSS)))
        return x_BCSS + self.conv2(F.relu(self.norm2(inner)))


class SmallBackbone(nn.Module):
    """A small residual network, trained from scratch.

    4×4 patches, then for each width a residual block; each further width halves the map. 64 px pictures
    and three widths give 4×4 regions.

    Args:
        channels: width of each level.
        blocks: residual blocks a level.
    """

    def __init__(self, channels: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        if any(c % 8 for c in channels):
            raise UserError(f"--encoder.channels {channels}: every width must be a multiple of 8")
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, stride=4)]
        for level, width in enumerate(channels):
            if level:
                before = channels[level - 1]
                layers += [nn.GroupNorm(8, before), nn.Conv2d(before, width, 2, stride=2)]
            layers += [_Residual(width, 8) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers, nn.GroupNorm(8, channels[-1]), nn.ReLU())

    def forward(self, pixels_BCSS: Tensor) -> Tensor:
        """Feature map B×C×S'×S' of normalised pictures."""
        return self.layers(pixels_BCSS)


class PretrainedBackbone(nn.Module):
    """A vision model of `transformers`, or the vision tower of a CLIP-like one.

    BatchNorm (ResNet and its kin) keeps the statistics that it came with: statistics of a batch would make
    a picture's vector depend on the pictures beside it.

    Args:
        model: what `AutoModel` built.
        frozen: whether it stays as it came, dropout and stochastic depth included.
    """

    came_trained = True  # the loop tunes it by AdamW

    def __init__(self, model: "PreTrainedModel", frozen: bool) -> None:
        super().__init__()
        self.model: nn.Module = getattr(model, "vision_model", model)
        self.frozen = frozen
        # Transformers that were trained at one size take others once their position vectors are resized.
        resizes = "interpolate_pos_encoding" in inspect.signature(self.model.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if resizes else {}

    def train(self, mode: bool = True) -> "PretrainedBackbone":
        """Training mode for all but BatchNorm, and for nothing of a frozen one."""
        super().train(mode and not self.frozen)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, pixels_BCSS: Tensor) -> Tensor:
        """Tokens B×R×C or a feature map B×C×S'×S', as the model has it."""
        return self.model(pixel_values=pixels_BCSS, **self.options).last_hidden_state


def layer_shares(names: list[str], decay: float) -> dict[str, float]:
    """Learning rates that fall layer by layer from the top (Clark et al., "ELECTRA", ICLR 2020; as BEiT counts).

    A layer is what the first number in a name counts: a block of a transformer, a stage of a convolutional
    net. What is registered before the first layer (embeddings, stem) is one layer below it; what follows the
    last (its norm) stays at 1.

    Args:
        names: of the parameters, in the order of the model.
        decay: share of its rate that a layer passes on to the one below.

    Returns:
        The share of the full rate for each name: decay for the last layer, decay² for the one before, ….
    """
    found = [re.search(r"(?:^|\.)(\d+)\.", name) for name in names]
    layers = [int(match[1]) for match in found if match]
    if not layers:
        return dict.fromkeys(names, 1.0)
    first = next(place for place, match in enumerate(found) if match)
    top = max(layers) + 1
    shares = {}
    for place, (name, match) in enumerate(zip(names, found, strict=True)):
        depth = int(match[1]) if match else (-1 if place < first else top)
        shares[name] = decay ** (top - depth)
    return shares


def open_pretrained(name: str, frozen: bool) -> tuple[PretrainedBackbone, dict[str, Any], Statistics]:
    """Load a checkpoint by path or hub name.

    Args:
        name: of the checkpoint.
        frozen: whether it stays as it came.

    Returns:
        The backbone, its configuration (rebuilds it through `rebuild_pretrained`), and the mean and
        standard deviation that its pictures are normalised with.

    Raises:
        UserError: there is no such checkpoint, it lacks weights, or it is no vision model that takes pixels.
    """
    # Takes seconds: only who needs it pays.
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(name)
        model, told = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    except BROKEN as error:
        raise UserError(
            f"--encoder.backbone {name}: transformers cannot load it ({str(error).splitlines()[0]}); "
            "give `small`, the folder of a checkpoint, or a hub name that this machine can reach"
        ) from error
    tower = "vision_model." if hasattr(model, "vision_model") else ""
    # transformers fills in random weights; a pooler is not used here, so that may well be missing.
    missing = [key for key in told["missing_keys"] if key.startswith(tower) and "pooler" not in key]
    if missing:
        raise UserError(
            f"--encoder.backbone {name}: the checkpoint lacks weights of its architecture, such as "
            f"{sorted(missing)[0]}; give a whole one"
        )
    backbone = PretrainedBackbone(model, frozen)
    inputs = inspect.signature(backbone.model.forward).parameters.values()
    needed = [p.name for p in inputs if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if getattr(backbone.model, "main_input_name", "") != "pixel_values" or needed not in ([], ["pixel_values"]):
        raise UserError(
            f"--encoder.backbone {name}: {type(backbone.model).__name__} is no vision model that takes pixels alone; "
            "give a ResNet, ConvNeXt, ViT, or a CLIP-like model"
        )
    return backbone, config.to_dict(), _statistics(name)


def rebuild_pretrained(content: dict[str, Any], frozen: bool) -> PretrainedBackbone:
    """The same architecture without its weights, from the configuration that a run folder holds."""
    # Takes seconds: only who needs it pays.
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**content)
    return PretrainedBackbone(AutoModel.from_config(config), frozen)


def own_size(content: dict[str, Any]) -> int:
    """Side of the pictures that a configuration asks for, pixels; 0 when any will do."""
    size = content.get("vision_config", content).get("image_size", 0)
    return int(size[0] if isinstance(size, list | tuple) else size or 0)


def _statistics(name: str) -> Statistics:
    # Takes seconds: only who needs it pays.
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        content, _ = ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:
        log.warning("%s has no preprocessor_config.json; pictures are normalised as for ImageNet", name)
        return IMAGENET_MEAN, IMAGENET_STD
    return tuple(content.get("image_mean", IMAGENET_MEAN)), tuple(content.get("image_std", IMAGENET_STD))
