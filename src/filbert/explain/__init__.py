"""A text → the page that shows what the network does with it."""

from filbert.explain.explain import explain_text

__all__ = ["explain_text"]
