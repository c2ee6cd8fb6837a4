"""The embedded base: a PaddleOCR-VL of under 8 M parameters that reads short printed pages.

The folder is the model: `PaddleOCRVLForConditionalGeneration.from_pretrained(FOLDER)` loads it as it is. The modules
beside the weights made them: `architecture` the empty model, `corpus` the texts, `pages` their pages, `pretrain` the
training, `card` the measurements on the model card.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
