"""filbert corpus on generated text: documents and MB a second, and the memory of all processes.

    python benchmarks/corpus.py [--gigabytes 2] [--memory 1GB] [--workers N] [--runner native]
    python benchmarks/corpus.py --sources FILE [FILE ...] --times 20 --workers 1

Text by a seeded generator, half English and half Chinese by documents, some of them twice and some
twice with a changed sentence, is written as JSON lines to a temporary folder; then the verb runs in
a process of its own, and every quarter of a second /proc is read for it and all below it: PSS (what
the processes take together; a page that two of them share counts once) and RSS (counts it twice).
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from race.memory import Watch

ENGLISH = (
    "the of and to in a is that for it was on are as with be by at from this have or which one had "
    "not but what all were when we there can an your has more if will about out so some her would "
    "him into time two could been than first water people over think years only most world work "
    "river city history language music number small great house country government school system "
    "second against another century early between under north south island family built area local "
    "party law company public found during later produced century population station film league"
).split()
CHINESE = (
    "的 是 在 和 了 有 中国 城市 历史 地区 一个 时间 人口 公司 学校 大学 "
    "政府 文化 音乐 电影 研究 发展 社会 经济 世界 语言 系统 问题 工作 生活 "
    "国家 人民 建筑 河流 岛屿 世纪 方法 理论 科学 技术 艺术 作品 作者 主要 "
    "重要 成为 开始 认为 使用 其中 以及 由于 因此 并且 位于 建立 出版 举行 "
    "第一 第二 之后 目前 部分"
).split()
SENTENCES = 20_000


def _sentences(chance: random.Random) -> dict[str, list[str]]:
    """Sentences of common words and, so that they differ, of rarer ones that are made up."""
    rare = [chance.choice("bcdfglmnprst") + chance.choice("aeiou") for _ in range(99)]
    made = ["".join(chance.choices(rare, k=chance.randint(2, 4))) for _ in range(20_000)]
    signs = [chr(number) for number in range(0x4E00, 0x6E00)]
    english, chinese = [], []
    for _ in range(SENTENCES):
        words = chance.choices(ENGLISH, k=14) + chance.choices(made, k=6)
        chance.shuffle(words)
        english.append(" ".join(words).capitalize() + ".")
        words = chance.choices(CHINESE, k=14) + chance.choices(signs, k=4)
        chance.shuffle(words)
        chinese.append("".join(words[:9]) + "，" + "".join(words[9:]) + "。")
    return {"en": english, "zh": chinese}


def write_text(path: Path, size: int, seed: int = 1) -> int:
    """Write JSON lines of about `size` bytes; returns how many documents."""
    chance = random.Random(seed)
    sentences = _sentences(chance)
    documents = 0
    before: dict[str, list[str]] = {}
    with path.open("wb") as file:
        while file.tell() < size:
            language = "en" if documents % 2 else "zh"
            draw = chance.random()
            if draw < 0.04 and language in before:
                body = before[language]
                if draw < 0.02:
                    body = [*body[:-1], chance.choice(sentences[language])]
            else:
                body = chance.choices(sentences[language], k=chance.randint(15, 45))
            before[language] = body
            text = (" " if language == "en" else "").join(body)
            file.write(json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n")
            documents += 1
    return documents


def copy_sources(sources: list[Path], times: int, folder: Path) -> int:
    """Copy files into a folder several times; returns their bytes.

    Crawls become one file each, as they are stored: records, packed one by one, follow each other.
    """
    folder.mkdir()
    for source in sources:
        if ".warc." in source.name and source.suffix == ".gz":
            (folder / source.name).write_bytes(source.read_bytes() * times)
            continue
        for number in range(times):
            shutil.copyfile(source, folder / f"{number:04d}-{source.name}")
    return sum(path.stat().st_size for path in folder.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--workers", default=str(len(os.sched_getaffinity(0))))
    parser.add_argument("--runner", default="native")
    parser.add_argument("--sources", nargs="+", type=Path, default=[])
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="filbert-bench-corpus-"))
    try:
        start = time.monotonic()
        if options.sources:
            size = copy_sources(options.sources, options.times, place / "text")
        else:
            (place / "text").mkdir()
            write_text(place / "text" / "text.jsonl", int(options.gigabytes * 1e9))
            size = (place / "text" / "text.jsonl").stat().st_size
        print(f"{size / 1e6:,.1f} MB, written in {time.monotonic() - start:.0f} s")
        measure(place, size, options)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def measure(place: Path, size: int, options: argparse.Namespace) -> None:
    """Run the verb on place/text and print what it took."""
    command = [sys.executable, "-m", "filbert", "corpus", str(place / "text")]
    command += ["--out", str(place / "corpus"), "--memory", options.memory]
    command += ["--workers", options.workers, "--runner", options.runner]
    start = time.monotonic()
    process = subprocess.Popen(command)
    watch = Watch(process.pid)
    watch.start()
    code = process.wait()
    peak = watch.stop()
    seconds = time.monotonic() - start
    if code:
        sys.exit(f"filbert corpus ended with {code}")
    documents = json.loads((place / "corpus" / "corpus.json").read_text())["read_documents"]
    print(
        f"{seconds:.1f} s: {documents / seconds:,.0f} documents/s, {size / 1e6 / seconds:.2f} MB/s "
        f"with {options.workers} workers; peak of all processes: PSS {peak['Pss'] / 1e6:,.0f} MB, "
        f"RSS {peak['Rss'] / 1e6:,.0f} MB (limit {options.memory})"
    )


if __name__ == "__main__":
    main()
