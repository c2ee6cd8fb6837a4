"""RapidOCR, which drops what it cannot read without a word, made to say how much of the print that was.

And which reads a page that lies on its side line by line in a wrong order, made to stop there before it reads it.
"""

import importlib.util
import threading
from pathlib import Path

import numpy as np
import torch
from rapidocr import EngineType, LangRec, ModelType, OCRVersion, RapidOCR
from rapidocr.ch_ppocr_rec import TextRecOutput
from rapidocr.inference_engine.base import FileInfo, InferSession
from rapidocr.utils.model_resolver import list_supported_langs
from rapidocr.utils.output import RapidOCROutput
from rapidocr.utils.typings import TaskType

from .turn import SAMPLE, LyingOnItsSide, upwards

MODELS = Path(importlib.util.find_spec("rapidocr").origin).parent / "models"
SHIPPED = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")

SURE = 0.5  # score under which RapidOCR drops a piece of text
LEAST_TEXT = 0.7  # characters per height of a line's width: print has some two
LONG = 2.0  # width over height of a piece that this is asked of; a single sign has no room for more


class Engine(RapidOCR):
    """RapidOCR that notes how wide the pieces of print on the last page were, in each thread that reads with it.

    With `upright_only` it raises `LyingOnItsSide` instead of reading a page that does.
    """

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self._noted = threading.local()

    def __call__(self, *arguments, upright_only: bool = False, **options) -> RapidOCROutput | TextRecOutput:
        """Read a page as RapidOCR does, with numbers too small for float32's usual form taken as zero.

        The search for text makes so many of these denormals, at which a processor is far slower, that two of its layers
        took over half of its time; the same is read without them (read.json: search). ONNX Runtime's own setting
        reaches the first thread of a process alone.
        """
        self._noted.upright_only = upright_only
        torch.set_flush_denormal(True)
        try:
            return super().__call__(*arguments, **options)
        finally:
            torch.set_flush_denormal(False)

    def printed(self) -> tuple[float, float]:
        """Width of the print of the last page of which no text came, and of all, both in heights of its lines."""
        return getattr(self._noted, "widths", (0.0, 0.0))

    def detect_and_crop(self, *arguments) -> tuple:
        """The pieces of a page, cut out; RapidOCR turns those that are tall by 90 degrees to the left."""
        pieces, detected = super().detect_and_crop(*arguments)
        if self._noted.upright_only and (tall := upwards(np.asarray(detected.boxes, float))):
            sample = [pieces[row] for row in tall[:SAMPLE]]
            right, left = self.scores([np.rot90(piece, 2) for piece in sample]), self.scores(sample)
            if max(right.mean(), left.mean()) > SURE:
                raise LyingOnItsSide(90 if (right > left).mean() > 0.5 else 270)
        return pieces, detected

    def scores(self, pieces: list[np.ndarray]) -> np.ndarray:
        """The score of each piece of text, cut out and read as it stands."""
        return np.array(self.recognize_txt([np.ascontiguousarray(piece) for piece in pieces]).scores)

    def calc_word_boxes(self, *arguments) -> tuple:
        """What the recogniser says of each piece, its characters' probabilities included, without the words' boxes."""
        return arguments[-1].word_results

    def run_ocr_steps(self, *arguments) -> tuple:
        steps = super().run_ocr_steps(*arguments)
        detected, recognised = steps[0], steps[2]
        self._noted.widths = (0.0, 0.0)
        if detected.boxes is not None and recognised.txts is not None:
            self._noted.widths = unread(np.asarray(detected.boxes, float), recognised.txts, recognised.scores)
        return steps


def recogniser(language: str = "") -> dict:
    """RapidOCR's parameters for a language, or for the path of a recogniser's `.onnx` file; nothing is downloaded.

    RapidOCR ships one recogniser, of Chinese, Japanese and the languages in Latin letters. Raises ValueError naming
    the file that is missing and where it goes.
    """
    if absent := [name for name in SHIPPED if not (MODELS / name).is_file()]:
        raise ValueError(f"rapidocr is installed without {', '.join(absent)}: install the version that medocr pins")
    if not language or language in list_supported_langs(TaskType.REC, OCRVersion.PPOCRV6, ModelType.SMALL):
        return {}
    if language.endswith(".onnx"):
        if not Path(language).is_file():
            raise ValueError(f"rapidocr:{language}: there is no such file")
        return {"Rec.model_path": language}
    languages = list_supported_langs(TaskType.REC, OCRVersion.PPOCRV5, ModelType.MOBILE)
    if language not in languages:
        raise ValueError(
            f"rapidocr:{language} is no language that RapidOCR has: {', '.join(languages)}, or an .onnx file"
        )
    kind = {"ocr_version": OCRVersion.PPOCRV5, "model_type": ModelType.MOBILE, "lang_type": LangRec(language)}
    address = InferSession.get_model_url(FileInfo(EngineType.ONNXRUNTIME, task_type=TaskType.REC, **kind))["model_dir"]
    file = MODELS / Path(address).name
    if not file.is_file():
        raise ValueError(f"rapidocr:{language} needs a model that is not shipped: put {address} into {MODELS}")
    if language == "arabic" and not importlib.util.find_spec("bidi"):
        raise ValueError("rapidocr:arabic needs python-bidi: pip install 'rapidocr[rtl]'")
    return {"Rec.model_path": str(file), **{f"Rec.{name}": value for name, value in kind.items()}}


def unread(corners: np.ndarray, texts: tuple[str, ...], scores: tuple[float, ...]) -> tuple[float, float]:
    """Width of the pieces without text or with little, and of all; corners are (n, 4, 2), in px."""
    sides = np.linalg.norm(corners[:, [1, 3]] - corners[:, [0, 0]], axis=2)
    widths = sides.max(1) / np.maximum(sides.min(1), 1.0)
    lengths = np.array([len("".join(text.split())) for text in texts], float)
    little = (np.asarray(scores, float) < SURE) | ((widths > LONG) & (lengths < LEAST_TEXT * widths))
    return float(widths[little].sum()), float(widths.sum())
