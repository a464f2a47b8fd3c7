"""What a Predictor answers: small, frozen, printable, ready for JSON."""

from collections.abc import Mapping
from dataclasses import dataclass

from filbert.batch import Array


@dataclass(frozen=True)
class Guess:
    """A token that may stand in a masked place, and how likely it is."""

    token: str
    token_id: int
    probability: float

    def __str__(self) -> str:
        """The token and its probability."""
        return f"{self.token} ({self.probability:.2f})"


@dataclass(frozen=True)
class FilledMask:
    """One [MASK] of a text: its characters, and the likeliest tokens, best first.

    tokens_cut  how many tokens of the text were left out
    """

    start: int
    end: int
    guesses: tuple[Guess, ...]
    tokens_cut: int = 0

    def __str__(self) -> str:
        """The guesses in one line."""
        return ", ".join(map(str, self.guesses))


@dataclass(frozen=True, eq=False)
class Attention:
    """Where the tokens of a text, or a pair, look.

    tokens      as they stand in the vocabulary, special tokens included
    weights     float32 [depth, attention_heads, tokens, tokens]; each row sums to 1
    offsets     int32 [tokens, 2], characters behind each token; (0, 0) for special ones
    segments    uint8 [tokens], 0 for the first text, 1 for the second
    tokens_cut  tokens of the text that were left out
    """

    tokens: tuple[str, ...]
    weights: Array
    offsets: Array
    segments: Array
    tokens_cut: int = 0


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """The vectors of a text's tokens, from layer to layer.

    tokens      as they stand in the vocabulary, special tokens included
    values      float32 [depth + 1, tokens, width]: the embeddings, then what each layer gives
    offsets     int32 [tokens, 2], characters behind each token; (0, 0) for special ones
    segments    uint8 [tokens], 0 for the first text, 1 for the second
    tokens_cut  tokens of the text that were left out
    """

    tokens: tuple[str, ...]
    values: Array
    offsets: Array
    segments: Array
    tokens_cut: int = 0


@dataclass(frozen=True, eq=False)
class Inside:
    """All that a network computes on the way of one text, or pair, through it.

    tokens      as they stand in the vocabulary, special tokens included
    token_ids   int32 [tokens]
    offsets     int32 [tokens, 2], characters behind each token; (0, 0) for special ones
    segments    uint8 [tokens], 0 for the first text, 1 for the second
    parts       float32 [tokens, width] each: "tokens", and "positions" and "segments" where the
                network has them: what is summed up before the first norm
    hidden      float32 [depth + 1, tokens, width]: the embeddings, then what each layer gives
    query       float32 [depth, attention_heads, tokens, attention_head_width], as it is multiplied:
                after the rotation, where positions are rotary
    key, value  the same shape
    attention   float32 [depth, attention_heads, tokens, tokens]; each row sums to 1
    tokens_cut  tokens of the text that were left out
    """

    tokens: tuple[str, ...]
    token_ids: Array
    offsets: Array
    segments: Array
    parts: Mapping[str, Array]
    hidden: Array
    query: Array
    key: Array
    value: Array
    attention: Array
    tokens_cut: int = 0
