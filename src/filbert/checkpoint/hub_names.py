"""What a user calls a model of the hub: NAME, ORG/NAME, either with @REVISION."""

import re
from dataclasses import dataclass

from filbert.errors import CheckpointError

DEFAULT_REVISION = "main"

_NAME = re.compile(r"(?:[A-Za-z0-9_][\w.-]{0,95}/)?[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)


@dataclass(frozen=True)
class HubName:
    """A model of the hub. revision: a branch, a tag or a commit."""

    name: str
    revision: str

    def __str__(self) -> str:
        """As a user writes it."""
        plain = self.revision == DEFAULT_REVISION
        return self.name if plain else f"{self.name}@{self.revision}"


def parse(text: str, revision: str | None = None) -> HubName:
    """The name and revision meant. Raises CheckpointError for what cannot be a name on the hub."""
    name, at, tail = text.partition("@")
    if at and revision is not None and revision != tail:
        raise CheckpointError(f"{text!r:.120}: and revision {revision!r:.80}: name one of the two")
    wanted = tail if at else DEFAULT_REVISION if revision is None else revision
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith((".git", ".")):
        raise CheckpointError(
            f"{text!r:.120} cannot be a name on the hub: expected NAME or ORG/NAME (letters, "
            "digits, - _ .), either with @REVISION if wanted"
        )
    if not _REVISION.fullmatch(wanted) or ".." in wanted or len(wanted) > 200:
        raise CheckpointError(f"{text!r:.120}: {wanted!r:.80} cannot be a branch, tag or commit")
    return HubName(name, wanted)
