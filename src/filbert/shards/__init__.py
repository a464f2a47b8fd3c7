"""Documents → binary token shards; exact, resumable, rank-aware reading."""

from filbert.shards.batches import Lengths, ReadState, RowSource, read_batches
from filbert.shards.index import Shard, ShardSet
from filbert.shards.mixing import Mixture
from filbert.shards.partners import Documented, DocumentRows, Paired
from filbert.shards.permutation import Permutation
from filbert.shards.reading import RowPlace, ShardReader
from filbert.shards.writing import write_shards

__all__ = [
    "DocumentRows",
    "Documented",
    "Lengths",
    "Mixture",
    "Paired",
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
