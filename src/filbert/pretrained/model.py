"""What all models of the tutorial's front share: opening, saving, and the way through the door."""

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from filbert.checkpoint import Weights, read_model
from filbert.encoder import Shape
from filbert.encoder.drawing import undrawn
from filbert.encoder.encoder import Encoder
from filbert.errors import CheckpointError, RequestError, SettingsError
from filbert.heads import Head
from filbert.pretrained.config import OPTIONS, Config, read_config
from filbert.pretrained.door import Door, read_inputs
from filbert.pretrained.opening import check_family, check_options, find
from filbert.pretrained.outputs import ModelOutput
from filbert.pretrained.saving import save_weights

INSTEAD = {
    "inputs_embeds": "filbert's network begins at token ids: give input_ids",
    "encoder_hidden_states": "a BERT has no cross-attention",
    "encoder_attention_mask": "a BERT has no cross-attention",
    "past_key_values": "a BERT reads whole texts and keeps no cache",
    "use_cache": "a BERT reads whole texts and keeps no cache",
    "head_mask": "attention heads cannot be switched off",
    "offset_mapping": "it is for you, not for the network: take it out before the call",
    "special_tokens_mask": "it is for you, not for the network: take it out before the call",
    "overflow_to_sample_mapping": "it is for you, not for the network: take it out before the call",
    "length": "it is for you, not for the network: take it out before the call",
}
"""What a forward call does not know → why, and what to do."""

ELSEWHERE = {"bert": "encoder", "base_model": "encoder"} | dict.fromkeys(
    ("pooler", "cls", "classifier", "qa_outputs"), "head"
)
"""Where filbert has the parts that transformers' models have by these names."""

OPENING = (*OPTIONS, "dtype", "ignore_mismatched_sizes")


class BertPretrained(nn.Module, ABC):
    """An encoder and a head under the names of transformers.

    Padded tensors come in and go out; between, the real tokens alone are computed, packed end to
    end. At padding all outputs are 0.

    config  what config.json says; read only
    kind    what stands on the encoder, in the words of checkpoint
    """

    kind: ClassVar[str]
    targets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Config, shape: Shape):
        """Build it with weights drawn anew; `from_pretrained` reads them."""
        super().__init__()
        self.config = config
        self.encoder = Encoder(shape)
        self.encoder.attention_dropout_fraction = shape.attention_dropout_fraction
        # As in transformers: a [PAD] that is read as a token is not learnt from.
        pad_id = config.pad_token_id
        known = type(pad_id) is int and 0 <= pad_id < shape.vocab
        self.encoder.embeddings.tokens.padding_idx = pad_id if known else None
        self.head = self.make_head(shape)

    @abstractmethod
    def make_head(self, shape: Shape) -> Head:
        """The head, drawn anew."""

    @abstractmethod
    def answer(self, hidden: Tensor, door: Door, targets: Mapping[str, Any]) -> dict[str, Any]:
        """hidden [tokens, width] → the fields of the output, padded; None for those not asked."""

    @classmethod
    def from_pretrained(
        cls, name_or_folder: Any, *, revision: str | None = None, **options: Any
    ) -> Self:
        """The model of a folder, of a run of filbert's, or of a name on the hub; in eval mode.

        options: num_labels, id2label, label2id, problem_type, hidden_dropout_prob,
        attention_probs_dropout_prob, classifier_dropout, output_hidden_states, output_attentions,
        return_dict instead of config.json's; dtype, of torch or its name (float32 unless given);
        ignore_mismatched_sizes: draw anew what has other sizes there.
        What the folder lacks is drawn anew, and a warning names it.
        Raises CheckpointError for another family and for whatever does not fit, SettingsError for
        other options.
        """
        check_options(cls.__name__, options, OPENING)
        dtype = _float_type(options.pop("dtype", None))
        mismatched = options.pop("ignore_mismatched_sizes", False)
        folder = find(name_or_folder, revision)
        check_family(folder, cls.__name__)
        config, shape = read_config(folder, options)
        weights = read_model(folder)
        with undrawn():
            model = cls(config, shape)
        model._take(weights.tensors, str(folder), mismatched)
        return model.to(dtype).eval()

    def _take(self, tensors: Mapping[str, np.ndarray], where: str, mismatched: bool) -> None:
        """Put stored weights in; draw and name those that are not there."""
        taken, fresh = {}, []
        for name, own in self.state_dict().items():
            found = tensors.get(name)
            if found is not None and found.shape != tuple(own.shape):
                if not mismatched:
                    raise CheckpointError(
                        f"{where}: {name} has the sizes {list(found.shape)}, this model needs "
                        f"{list(own.shape)} (by num_labels, say); ignore_mismatched_sizes=True "
                        "draws a new one"
                    )
                found = None
            if found is None:
                fresh.append(name)
            else:
                taken[name] = torch.from_numpy(np.require(found, np.float32, "W"))
        if any(name.startswith("encoder.") for name in fresh):
            raise CheckpointError(f"{where}: lacks {fresh[0]}")
        if fresh:
            head = self.make_head(self.encoder.shape).state_dict()
            taken |= {name: head[name.removeprefix("head.")] for name in fresh}
        self.load_state_dict(taken, assign=True)
        if fresh:
            warnings.warn(
                f"{type(self).__name__}: {where} has no {', '.join(fresh)}; drawn anew. Train the "
                "model before you use what it says",
                stacklevel=3,
            )

    def save_pretrained(self, save_directory: Any) -> None:
        """Write config.json and model.safetensors (float32), which transformers opens, too.

        Files of these names are replaced, others stay. Raises SettingsError for a folder that
        filbert saved whole, CheckpointError where the disk refuses.
        """
        config = self.config
        weights = Weights(
            shape=self.encoder.shape,
            kind=self.kind,
            tensors={
                name: value.detach().to("cpu", torch.float32).numpy()
                for name, value in self.state_dict().items()
            },
            labels=tuple(config.id2label.values()) if self.kind in ("classify", "tag") else (),
            family="bert",
        )
        names = ("classifier_dropout", "pad_token_id", "problem_type")
        settings = {name: getattr(config, name) for name in names}
        save_weights(save_directory, weights, settings)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **more: Any,
    ) -> Any:
        """int64 [sequences, length] each → a ModelOutput, or a tuple with return_dict=False.

        more: the labels that this model's class names.
        hidden_states: depth + 1 tensors [sequences, length, width]. attentions: for each layer a
        tensor [sequences, attention_heads, length, length], exact, recomputed without dropout and
        gradients.
        Raises RequestError for what does not fit, and for inputs that filbert does not take.
        """
        targets = self._targets(more)
        door = read_inputs(
            input_ids, attention_mask, token_type_ids, position_ids, self.encoder.shape
        )
        config = self.config
        if config.output_hidden_states if output_hidden_states is None else output_hidden_states:
            states = self.encoder.hidden_states(door.packed)
            fields = self.answer(states[-1], door, targets)
            fields["hidden_states"] = tuple(door.pad(state) for state in states)
        else:
            fields = self.answer(self.encoder(door.packed), door, targets)
            fields["hidden_states"] = None
        attentions = config.output_attentions if output_attentions is None else output_attentions
        fields["attentions"] = self._attentions(door) if attentions else None
        output = ModelOutput(fields)
        as_output = config.return_dict if return_dict is None else return_dict
        return output if as_output else output.to_tuple()

    def _targets(self, more: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in more.items():
            if name not in self.targets and value is not None:
                known = [*list(inspect.signature(self.forward).parameters)[:-1], *self.targets]
                reason = INSTEAD.get(name, f"known are {', '.join(known)}")
                raise RequestError(f"{type(self).__name__} does not take {name}: {reason}")
            if value is not None and not isinstance(value, Tensor):
                raise RequestError(f"{name}: expected a tensor, got {type(value).__name__}")
        return {name: more.get(name) for name in self.targets}

    def _attentions(self, door: Door) -> tuple[Tensor, ...]:
        """A tensor a layer, sequence by sequence, as the plain formula gives it."""
        length = door.real.shape[1]
        maps = []
        for part in door.sequences():
            weights = self.encoder.attention(part.packed)
            depth, attention_heads, _, tokens = weights.shape
            padded = weights.new_zeros(depth, attention_heads, length, length)
            at = part.places
            padded[:, :, at[:, None].expand(tokens, tokens), at.expand(tokens, tokens)] = weights
            maps.append(padded)
        return torch.stack(maps, dim=1).unbind()

    def __getattr__(self, name: str) -> Any:
        """A part; for one that has another name here, AttributeError that says which."""
        if name in ELSEWHERE:
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}: filbert's parts are named otherwise, look "
                f"at {ELSEWHERE[name]!r}. In named_parameters(), too, so choose by filbert's names"
            )
        return super().__getattr__(name)

    def get_input_embeddings(self) -> nn.Embedding:
        """The token embedding."""
        return self.encoder.embeddings.tokens

    def num_parameters(self, only_trainable: bool = False) -> int:
        """How many numbers are learnt."""
        return sum(
            parameter.numel()
            for parameter in self.parameters()
            if parameter.requires_grad or not only_trainable
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What kind of number the weights are."""
        return self.get_input_embeddings().weight.dtype


def _float_type(dtype: Any) -> torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if dtype is None:
        return torch.float32
    if isinstance(found, torch.dtype) and found.is_floating_point:
        return found
    raise SettingsError(f"dtype: expected a kind of float, such as 'bfloat16', got {dtype!r:.40}")
