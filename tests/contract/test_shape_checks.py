import pytest
import torch
from jaxtyping import TypeCheckError


def test_shape_annotations_are_checked_in_tests():
    # One axis name, two lengths: without the hook this multiplies happily.
    from filbert.encoder.attention import attention_weights

    with pytest.raises(TypeCheckError, match="attention_weights"):
        attention_weights(torch.zeros(2, 3, 4), torch.zeros(2, 5, 4))
