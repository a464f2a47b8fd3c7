"""A network for weights that come from a file."""

import subprocess
import sys

PROGRAM = """
import sys
from filbert.encoder import MODERN_BASE, Encoder, undrawn

with undrawn():
    encoder = Encoder(MODERN_BASE)
assert {tensor.device.type for tensor in encoder.state_dict().values()} == {"meta"}
assert encoder.embeddings.tokens.weight.shape == (50368, 768)
# What torch imports to draw on the meta device doubles the time to the first answer.
assert not {"sympy", "torch._dynamo"} & set(sys.modules)
assert float(Encoder(MODERN_BASE.__class__(1, 8, 2, 16, 50)).embeddings.tokens.weight.std()) > 0
"""


def test_nothing_is_drawn_and_nothing_imported_to_draw():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
