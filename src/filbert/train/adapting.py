"""How a pre-trained network is taken over: what of it stays as it is, what is drawn anew."""

from torch import Tensor

from filbert.encoder import Block, initialise
from filbert.errors import SettingsError
from filbert.heads import Model
from filbert.train.adaptation import Adapt


def freeze(model: Model, adapt: Adapt, optimizer: str) -> None:
    """Take what is to stay as it is out of what learns.

    "lora" learns nothing of the network but its layers' matrices, and the head.
    Raises SettingsError where there are fewer layers than are named.
    """
    _check_depth(model, adapt)
    blocks = [block for block in model.encoder.blocks if isinstance(block, Block)]
    if adapt.head_only:
        model.encoder.requires_grad_(False)
        return
    if adapt.frozen_layers:
        model.encoder.embeddings.requires_grad_(False)
        for block in blocks[: adapt.frozen_layers]:
            block.requires_grad_(False)
    if optimizer == "lora":
        learning = {p for block in blocks for p in _matrices(block) if p.requires_grad}
        for parameter in model.encoder.parameters():
            parameter.requires_grad_(parameter in learning)


def draw_anew(model: Model, adapt: Adapt) -> None:
    """Give the uppermost layers the weights of an untrained network.

    Raises SettingsError where there are fewer layers than are named.
    """
    _check_depth(model, adapt)
    blocks = list(model.encoder.blocks)
    for block in blocks[len(blocks) - adapt.fresh_layers :]:
        initialise(block)


def _matrices(block: Block) -> list[Tensor]:
    return [layer.weight for layer in (block.qkv, block.out, block.up, block.down)]


def _check_depth(model: Model, adapt: Adapt) -> None:
    depth = len(model.encoder.blocks)
    for name in ("frozen_layers", "fresh_layers"):
        if getattr(adapt, name) > depth:
            raise SettingsError(
                f"adapt.{name} is {getattr(adapt, name)}, but the network has {depth} layers"
            )
