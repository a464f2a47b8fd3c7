"""From nothing to the first vector: a process of its own each time, its seconds and its memory."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TEXT = "The squirrel buried its hazelnuts under the old oak."

_SENTENCE_TRANSFORMERS = """
import sys
import numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
texts = open(sys.argv[2], encoding="utf-8").read().splitlines()
np.save(sys.argv[3], model.encode(texts, normalize_embeddings=True, show_progress_bar=False))
"""

_CTRANSLATE2 = """
import sys
import ctranslate2
import numpy as np
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
tokenizer.no_padding()
texts = open(sys.argv[2], encoding="utf-8").read().splitlines()
encoder = ctranslate2.Encoder(sys.argv[4], compute_type="float32", intra_threads=int(sys.argv[5]))
ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
hidden = np.array(encoder.forward_batch(ids).last_hidden_state)
sums = np.stack([one[: len(i)].sum(axis=0) for one, i in zip(hidden, ids)])
np.save(sys.argv[3], sums / np.linalg.norm(sums, axis=1, keepdims=True))
"""

# A process counts what its parent held when it was forked: so a small parent starts each command.
_LAUNCHER = """
import json, os, sys, time
begin = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - begin
if status:
    sys.exit(f"ended with {os.waitstatus_to_exitcode(status)}")
print()
print(json.dumps({"seconds": seconds, "peak": usage.ru_maxrss}))
"""


@dataclass(frozen=True)
class Start:
    """One process: wall seconds from its start to its end, and the most memory it held, in MB."""

    seconds: float
    megabytes: float


def commands(
    folder: Path, converted: Path | None, scratch: Path, threads: int
) -> dict[str, list[str]]:
    """What each contestant is called with: a file of one text in, a file of its vector out.

    converted: CTranslate2's form of the folder; None: it does not take part.
    """
    text = scratch / "one.txt"
    text.write_text(TEXT + "\n", encoding="utf-8")
    python = [sys.executable, "-c"]
    made = {
        "filbert embed": [
            *(sys.executable, "-m", "filbert", "embed", str(folder), str(text)),
            *("--out", str(scratch / "filbert.npy"), "--device", "cpu", "--quiet"),
        ],
        "sentence-transformers": [
            *(*python, _SENTENCE_TRANSFORMERS, str(folder), str(text)),
            str(scratch / "sentence-transformers.npy"),
        ],
    }
    if converted is not None:
        made["CTranslate2"] = [
            *(*python, _CTRANSLATE2, str(folder), str(text), str(scratch / "ctranslate2.npy")),
            *(str(converted), str(threads)),
        ]
    return made


def run(wanted: Mapping[str, Sequence[str]], rounds: int) -> None:
    """Start everybody in turns, once before it counts (the files are in memory then); the table."""
    starts: dict[str, list[Start]] = {name: [] for name in wanted}
    for number in range(rounds + 1):
        for name, command in wanted.items():
            found = start(command)
            if number:
                starts[name].append(found)
    ours, *others = starts
    print("## cold start: one text, a process of its own\n")
    print("| command | seconds | from | to | peak MB |\n|---|---:|---:|---:|---:|")
    for name, own in starts.items():
        seconds = [one.seconds for one in own]
        peak = statistics.median(one.megabytes for one in own)
        middle = statistics.median(seconds)
        print(f"| {name} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} | {peak:,.0f} |")
    print()
    for name in others:
        pairs = zip(starts[name], starts[ours], strict=True)
        each = [theirs.seconds / mine.seconds for theirs, mine in pairs]
        middle = statistics.median(one.seconds for one in starts[name]) / statistics.median(
            one.seconds for one in starts[ours]
        )
        print(
            f"- {name} / {ours}: **{middle:.2f}×** the seconds ({min(each):.2f} to {max(each):.2f})"
        )
    print(flush=True)


def start(command: Sequence[str]) -> Start:
    """Run a command to its end; ends the benchmark with what it said if it fails."""
    launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launched, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]}: {done.stdout}{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Start(found["seconds"], found["peak"] * unit / 1e6)
