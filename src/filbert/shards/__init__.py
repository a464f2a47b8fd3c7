"""Documents → binary token shards; exact, resumable, rank-aware reading."""

from filbert.shards.batches import ReadState, RowSource, read_batches
from filbert.shards.index import Shard, ShardSet
from filbert.shards.reading import ShardReader
from filbert.shards.writing import write_shards

__all__ = [
    "ReadState",
    "RowSource",
    "Shard",
    "ShardReader",
    "ShardSet",
    "read_batches",
    "write_shards",
]
