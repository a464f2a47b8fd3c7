"""The tutorial's snippets, only the import line changed; names served by a hub on this machine."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from filbert.errors import RequestError

SNIPPET = """
from transformers import BertTokenizer, BertModel

tokenizer = BertTokenizer.from_pretrained('{name}')
model = BertModel.from_pretrained('{name}')

texts = {texts!r}
inputs = tokenizer(texts, padding=True, truncation=True, return_tensors='pt')
outputs = model(**inputs)
last_hidden_states = outputs.last_hidden_state
sentence_vectors = outputs.pooler_output
"""

TRAINING = """
import torch

labels = torch.tensor([0, 1, 0])
classifier = torch.nn.Linear(model.config.hidden_size, 2)
parameters = [*model.parameters(), *classifier.parameters()]
optimizer = torch.optim.AdamW(parameters, lr=2e-2)

model.train()
losses = []
for epoch in range(25):
    outputs = model(**inputs)
    loss = torch.nn.functional.cross_entropy(classifier(outputs.pooler_output), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
"""

TRANSLATION = """
from transformers import BertTokenizer

tokenizer = BertTokenizer.from_pretrained('bert-base-uncased')
print(tokenizer.translate('Hello, how are you?', src_lang='en', tgt_lang='zh'))
"""

ENGLISH = ["The cats sat on the mat.", "Who ran? The dog!", "unaffable " * 30]
CHINESE = ["猫在哪里？", "天地。", "猫在天地里 paris"]


def as_on_the_hub(folder, lowercase):
    """The layout of bert-base-uncased there: Google's names of the norms, all heads in one file."""
    path = folder / "model.safetensors"
    old = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
    tensors = load_file(path)
    for new, google in old:
        tensors = {name.replace(new, google): value for name, value in tensors.items()}
    dropped = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
    tensors = {name: value for name, value in tensors.items() if name not in dropped}
    save_file(tensors, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForMaskedLM"]
    config |= {"gradient_checkpointing": False, "transformers_version": "4.6.0.dev0"}
    (folder / "config.json").write_text(json.dumps(config))
    settings = {"do_lower_case": lowercase, "model_max_length": 24}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def run(snippet, library):
    names = {}
    exec(snippet.replace("from transformers import", f"from {library} import"), names)
    return names


@pytest.mark.parametrize(
    ("name", "texts", "lowercase"),
    [("bert-base-uncased", ENGLISH, True), ("bert-base-chinese", CHINESE, False)],
)
def test_the_snippets(hub, write, name, texts, lowercase):
    _, folder = write(transformers.BertForPreTraining)
    hub.add(name, as_on_the_hub(folder, lowercase))
    theirs = run(SNIPPET.format(name=folder, texts=texts), "transformers")
    ours = run(SNIPPET.format(name=name, texts=texts), "filbert")
    for part, value in theirs["inputs"].items():
        assert torch.equal(ours["inputs"][part], value)
    assert ours["inputs"].input_ids.shape[1] <= 24
    real = theirs["inputs"]["attention_mask"].bool()
    np.testing.assert_allclose(
        ours["last_hidden_states"][real].detach(),
        theirs["last_hidden_states"][real].detach(),
        rtol=0,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        ours["sentence_vectors"].detach(), theirs["sentence_vectors"].detach(), rtol=0, atol=1e-5
    )
    torch.manual_seed(0)
    exec(TRAINING, ours)
    assert ours["losses"][-1] < ours["losses"][0] / 2
    # Once fetched, no network is asked.
    before = len(hub.requests)
    run(SNIPPET.format(name=name, texts=texts), "filbert")
    assert len(hub.requests) == before


def test_a_revision_is_the_one_that_is_named(hub, write):
    import filbert

    for seed, revision in ((1, "v1"), (2, "main")):
        _, folder = write(place=revision, seed=seed)
        hub.add("bert-tiny", folder, revision=revision)
    loaded = [
        filbert.BertModel.from_pretrained("bert-tiny", **options).encoder.embeddings.norm.weight
        for options in ({"revision": "v1"}, {}, {"revision": "main"})
    ]
    assert torch.equal(loaded[1], loaded[2])
    assert not torch.equal(loaded[0], loaded[1])
    assert filbert.BertTokenizer.from_pretrained("bert-tiny", revision="v1").pad_token_id == 0


def test_a_bert_cannot_translate_and_says_what_can(hub, write):
    _, folder = write(transformers.BertForPreTraining)
    hub.add("bert-base-uncased", as_on_the_hub(folder, True))
    with pytest.raises(RequestError) as refused:
        run(TRANSLATION, "filbert")
    message = str(refused.value)
    assert "bert-base-uncased belongs to a BERT" in message
    assert "a model with a decoder that was trained on pairs of sentences" in message
    assert "filbert opens none yet" in message
