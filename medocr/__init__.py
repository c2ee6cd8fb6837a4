"""medocr: fine-tune PaddleOCR-VL to read medical documents, and measure what that changed."""

import os
from pathlib import Path

# Libraries that medocr uses ask the network for statistics unless told not to before they are imported.
for _name, _value in {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: from native code, which no recorder of Python sockets sees
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)

__version__ = "0.1.0"

# What the demonstration adds to the recipe, which imports none of it.
BASES = {"tiny": Path(__file__).parent / "demo/tiny"}  # a base model's name → its folder
DEMO_SOURCES = {"synthetic": ".demo.source"}  # a source's name → the module with a loader of that name, and `state`
