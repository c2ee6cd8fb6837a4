"""medocr: fine-tune PaddleOCR-VL to read medical documents, and measure what that changed."""

from pathlib import Path

__version__ = "0.1.0"

# What the demonstration adds to the recipe, which imports none of it.
BASES = {"tiny": Path(__file__).parent / "demo/tiny"}  # a base model's name → its folder
DEMO_SOURCES = {"synthetic": ".demo.source"}  # a source's name → the module with a loader of that name, and `state`
