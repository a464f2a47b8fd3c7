"""Plain numbers, tables and texts → one self-contained page with charts."""

from filbert.report.page import Report

__all__ = ["Report"]
