"""A folder is a model: what stands in it, read and checked without torch and without the weights.

Ours and Hugging Face's folders alike: config.json, weights, tokenizer files; ours add task.json,
train.json, scores.json and checksums.json.
"""

import glob
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filbert.checkpoint.config import family_of, kind_of, labels_of, pooling_of, shape_of
from filbert.checkpoint.families import TASK_OF, Family
from filbert.checkpoint.json_files import inside, read_ours, read_table
from filbert.checkpoint.rename import Match, kind_by_parts
from filbert.checkpoint.sentence_folder import (
    MODULES,
    lowercases,
    read_sentence_settings,
    transformer_folder,
)
from filbert.checkpoint.tf1 import tf1_files
from filbert.disk import sha256_of
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError, SettingsError, did_you_mean
from filbert.settings import from_mapping
from filbert.tasks import TASKS, Task
from filbert.tokenizer import Tokenizer

CONFIGS = ("config.json", "bert_config.json")
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Where the weights may lie; the first that is there is read, else a checkpoint of TensorFlow."""

TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")
CHECKSUMS = "checksums.json"


@dataclass(frozen=True)
class Folder:
    """A model on disk. Made from any path; what is wrong in it is said when it is asked for.

    Raises CheckpointError if `path` is no folder.
    """

    path: Path

    def __post_init__(self) -> None:
        """Accept a text for the path, and refuse what is no folder."""
        object.__setattr__(self, "path", Path(self.path))
        if not self.path.is_dir():
            what = "a file" if self.path.exists() else "nothing"
            raise CheckpointError(f"{self.path}: expected the folder of a model, there is {what}")

    def __str__(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def home(self) -> Path:
        """Where config, weights and tokenizer lie: the folder, or its 0_Transformer."""
        if any((self.path / name).is_file() for name in CONFIGS):
            return self.path
        return transformer_folder(self.path)

    @property
    def config_file(self) -> Path:
        """config.json, or bert_config.json of old. Raises CheckpointError if none is there."""
        return self._first(CONFIGS, "the configuration")

    def config(self) -> dict[str, Any]:
        """The configuration as Hugging Face wrote it; nothing in it is checked."""
        return read_table(self.config_file)

    def shape(self) -> Shape:
        """The sizes of the encoder. Raises CheckpointError naming file and field."""
        return shape_of(self.config(), str(self.config_file))

    def family(self) -> Family:
        """The family that config.json names: the tables by which the folder is read."""
        return family_of(self.config(), str(self.config_file))

    def kind(self) -> str:
        """What the folder holds by its class name: "encoder", "masked", "classify", "tag", ….

        Where config.json names no class (Google's do not, nor do old ones), its tensors say it.
        """
        config = self.config()
        if config.get("architectures") or self._weights() is None:
            return kind_of(config, str(self.config_file))
        return kind_by_parts(self.family(), self._match().parts)

    def labels(self) -> tuple[str, ...]:
        """The labels by id, as config.json names them; numbered where it names none and no class.

        Then as many as the classifier among the tensors has outputs.
        """
        config, where = self.config(), str(self.config_file)
        said = config.get("architectures") or {"id2label", "num_labels"} & set(config)
        if not said and self._weights() is not None and (count := self._match().outputs):
            config["num_labels"] = count
        return labels_of(config, where)

    def tokenizer(self) -> Tokenizer:
        """The folder's own tokenizer.

        Raises CheckpointError if there is none, or if it has more tokens than the embedding rows.
        """
        self._first(TOKENIZERS, "a tokenizer")
        tokenizer = Tokenizer.load(self.home)
        self.check_vocab(tokenizer, self.shape())
        return tokenizer

    def check_vocab(self, tokenizer: Tokenizer, shape: Shape) -> None:
        """Refuse a tokenizer whose ids would point behind the embedding."""
        if tokenizer.vocab_size > shape.vocab:
            raise CheckpointError(
                f"{self.path}: the tokenizer has {tokenizer.vocab_size:,} tokens, but vocab_size "
                f"in config.json and the tensor embeddings.tokens.weight have {shape.vocab:,} rows"
            )

    def task(self) -> Task:
        """What the model was trained for: task.json, else what Hugging Face's files say.

        Raises CheckpointError naming file and field where that is unknown.
        """
        path = self.path / "task.json"
        return self._own_task(path) if path.is_file() else self._their_task()

    def scores(self) -> dict[str, Any]:
        """The scores saved with the model; empty if there are none."""
        return self._ours("scores")

    def train(self) -> dict[str, Any]:
        """What the run wrote about itself (settings, state); empty if there is none."""
        return self._ours("train")

    def weights_file(self) -> Path:
        """The file of the weights, or the index of several. Raises CheckpointError if none."""
        if path := self._weights():
            return path
        alone = next(iter(sorted(self.home.glob("*.index"))), None)
        if alone:
            raise CheckpointError(
                f"{alone}: expected its values beside it, {alone.stem}.data-00000-of-00001; "
                "they are not there"
            )
        return self._first((*WEIGHTS, "bert_model.ckpt.index"), "weights")

    def weight_files(self) -> list[Path]:
        """All files of the weights; those that an index names never lie outside of the folder."""
        path = self.weights_file()
        if path.suffix == ".index":  # of TensorFlow; the index comes first
            return [path, *sorted(path.parent.glob(f"{glob.escape(path.stem)}.data-*"))]
        if path.suffix != ".json":
            return [path]
        table = read_table(path).get("weight_map")
        if not isinstance(table, dict) or not table:
            raise CheckpointError(f"{path}: weight_map: expected an object of tensors and files")
        suffix = Path(path.name.removesuffix(".index.json")).suffix
        files = []
        for name in sorted({str(value) for value in table.values()}):
            file = inside(path.parent, name, f"{path}: weight_map")
            if "/" in name or file.suffix != suffix:
                raise CheckpointError(
                    f"{path}: weight_map: {name!r:.80} is not a {suffix} file in the folder itself"
                )
            if not file.is_file():
                raise CheckpointError(f"{path}: weight_map: {name!r:.80} is not there")
            files.append(file)
        return files

    def digest(self) -> str:
        """What the weights are, wherever they lie: SHA-256 over their files."""
        sums = "".join(sha256_of(file) for file in self.weight_files())
        return hashlib.sha256(sums.encode()).hexdigest()

    def is_complete(self) -> bool:
        """Whether filbert saved the folder and all that it wrote is still there (not its bytes)."""
        try:
            return all(path.is_file() for path in self._checksums())
        except CheckpointError:
            return False

    def verify(self) -> int:
        """Compare every file with checksums.json; how many were (0 where there is no such file).

        Raises CheckpointError naming the file that is missing or was changed.
        """
        if not (self.path / CHECKSUMS).is_file():
            return 0
        sums = self._checksums()
        for path, expected in sums.items():
            if not path.is_file():
                raise CheckpointError(f"{path}: is missing; {CHECKSUMS} names it")
            if sha256_of(path) != expected:
                raise CheckpointError(
                    f"{path}: damaged: its SHA-256 is not the one that {CHECKSUMS} has"
                )
        return len(sums)

    def _checksums(self) -> dict[Path, str]:
        path = self.path / CHECKSUMS
        return {
            inside(self.path, name, str(path)): str(value)
            for name, value in sorted(read_ours(path, "sha256").items())
        }

    def _match(self) -> Match:
        """Which of the tensors make which parts, when nothing but they can tell."""
        # It reads any folder's tensors, so it stands above this file.
        from filbert.checkpoint.stored import match_stored

        return match_stored(self)

    def _weights(self) -> Path | None:
        home = self.home
        found = [home / name for name in WEIGHTS if (home / name).is_file()]
        return found[0] if found else tf1_files(home)

    def _first(self, names: tuple[str, ...], what: str) -> Path:
        home = self.home
        for name in names:
            if (home / name).is_file():
                return home / name
        raise CheckpointError(f"{home}: expected {what} ({' or '.join(names)}), found none")

    def _ours(self, name: str) -> dict[str, Any]:
        path = self.path / f"{name}.json"
        return read_ours(path, name) if path.is_file() else {}

    def _own_task(self, path: Path) -> Task:
        table = read_ours(path, "task")
        name, settings = table.get("name"), table.get("settings")
        if not isinstance(name, str) or name not in TASKS:
            raise CheckpointError(
                f"{path}: task {name!r:.80} is unknown{did_you_mean(str(name), TASKS)}; "
                f"known: {', '.join(TASKS)}"
            )
        if not isinstance(settings, dict):
            raise CheckpointError(f"{path}: settings: expected an object")
        task = self._make(name, settings, str(path))
        labels = getattr(task, "labels", None)
        if labels is not None and labels != self.labels():
            raise CheckpointError(f"{path}: labels are not those of id2label in config.json")
        return task

    def _their_task(self) -> Task:
        config, where = self.config(), str(self.config_file)
        kind = self.kind()
        name = TASK_OF.get(kind)
        if name is None:
            raise CheckpointError(
                f"{where}: architectures: a model for {kind!r}, for which filbert has no task yet; "
                "give a task to put its own head on the encoder, or read it with read_model"
            )
        if name == "pretrain" and (self.path / MODULES).is_file():
            name = "embed"  # made for vectors, whatever was left standing on the encoder
        longest = shape_of(config, where).max_positions
        if name == "classify":
            return self._their_classifier(config, where, longest)
        settings: dict[str, Any] = {"max_tokens": longest}
        if name == "tag":
            settings["labels"] = self.labels()
        if name == "choose" and pooling_of(config, where) != "first":
            raise CheckpointError(
                f"{where}: classifier_pooling {config['classifier_pooling']!r:.80}: choose reads "
                "the first token; expected 'cls'"
            )
        if name == "embed":
            settings |= {"pooling": "mean", "normalise": False}
            sentence = read_sentence_settings(self.path)
            if sentence:
                self._check_casing()
                settings = dict(vars(sentence))
                settings["max_tokens"] = min(longest, sentence.max_tokens or longest)
        return self._make(name, settings, where)

    def _their_classifier(self, config: Mapping[str, Any], where: str, longest: int) -> Task:
        """A classifier by its problem; with one output it says a number, or ranks."""
        problem, labels = config.get("problem_type"), self.labels()
        settings: dict[str, Any] = {"max_tokens": longest, "pooling": pooling_of(config, where)}
        if problem in (None, "regression") and len(labels) == 1:
            name = "rerank" if problem is None else "regress"
            return self._make(name, settings, where)
        several = problem == "multi_label_classification"
        if not several and (
            problem not in (None, "single_label_classification") or len(labels) < 2
        ):
            raise CheckpointError(
                f"{where}: problem_type {problem!r:.80} with {len(labels)} labels: expected "
                "'single_label_classification' with two or more, 'multi_label_classification', or "
                "'regression' with one"
            )
        settings |= {"labels": labels, "several": several}
        return self._make("classify", settings, where)

    def _check_casing(self) -> None:
        """A tokenizer here folds case by itself; sentence-transformers may do it before one."""
        if lowercases(self.path) and not self.tokenizer().lowercase:
            raise CheckpointError(
                f"{self.home}: do_lower_case in sentence-transformers' files is true, but the "
                "tokenizer keeps case; expected both to say the same"
            )

    def _make(self, name: str, settings: dict[str, Any], where: str) -> Task:
        try:
            task: Task = from_mapping(settings, TASKS[name], where)
        except SettingsError as error:
            message = str(error).removeprefix(f"{where}: ")
            raise CheckpointError(f"{where}: {message}") from error
        return task
