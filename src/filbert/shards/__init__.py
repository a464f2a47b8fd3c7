"""Documents → binary token shards; exact, resumable, rank-aware reading."""

from filbert.shards.batches import Lengths, ReadState, RowSource, read_batches
from filbert.shards.index import Shard, ShardSet
from filbert.shards.mixing import Mixture
from filbert.shards.permutation import Permutation
from filbert.shards.reading import RowPlace, ShardReader
from filbert.shards.writing import write_shards

__all__ = [
    "Lengths",
    "Mixture",
    "Permutation",
    "ReadState",
    "RowPlace",
    "RowSource",
    "Shard",
    "ShardReader",
    "ShardSet",
    "read_batches",
    "write_shards",
]
