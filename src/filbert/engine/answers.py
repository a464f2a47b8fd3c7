"""What a Predictor answers: small, frozen, printable, ready for JSON."""

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
    """One [MASK] of a text: its characters, and the likeliest tokens, best first."""

    start: int
    end: int
    guesses: tuple[Guess, ...]

    def __str__(self) -> str:
        """The guesses in one line."""
        return ", ".join(map(str, self.guesses))


@dataclass(frozen=True, eq=False)
class Attention:
    """Where the tokens of a text look.

    weights  float32 [depth, attention_heads, tokens, tokens]; each row sums to 1
    """

    tokens: tuple[str, ...]
    weights: Array
