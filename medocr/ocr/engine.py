"""RapidOCR's steps, put together so that they say how much of the print they could not read, which RapidOCR drops.

And which reads a page that lies on its side line by line in a wrong order, made to stop there before it reads it.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rapidocr import EngineType, LangRec, ModelType, OCRVersion, RapidOCR
from rapidocr.inference_engine.base import FileInfo, InferSession
from rapidocr.main import RapidOCRError
from rapidocr.utils.model_resolver import list_supported_langs
from rapidocr.utils.process_img import map_boxes_to_original
from rapidocr.utils.typings import TaskType

MODELS = Path(importlib.util.find_spec("rapidocr").origin).parent / "models"
SHIPPED = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")

# What the shorter side is enlarged to at least, in px, and how far a detected box is widened, small pages and others.
SEARCH = {True: (256, 1.8), False: (736, 1.6)}
SURE = 0.5  # score under which a piece of text is dropped, as RapidOCR does
LEAST_TEXT = 0.7  # characters per height of a line's width: print has some two
LONG = 2.0  # longer over shorter side of a piece that says anything: a single sign has no room for more
TALL = 1.5  # height over width of a piece whose line runs upwards or downwards
SAMPLE = 12  # pieces of a page, the longest, that are read both ways

Found = tuple[np.ndarray, str, float, list[float]]  # corners (4, 2) in px, text, score, the characters' probabilities


class LyingOnItsSide(Exception):
    """Raised instead of reading a page whose lines run upwards or downwards; says by what turn it stands upright."""

    def __init__(self, turn: int) -> None:
        super().__init__(f"turn it by {turn} degrees clockwise")
        self.turn = turn


class Engine(RapidOCR):
    """RapidOCR with one thread: two processes of one thread read more pages than one process of two.

    Each piece of text is recognised at its own width. The usual batches of six, padded to the widest and to
    320 px at least, take 1.5 times as long and read small pages less exactly. Several threads may use one.
    """

    def __init__(self, small: bool, language: str = "") -> None:
        side, unclip = SEARCH[small]
        super().__init__(
            params={
                "Global.log_level": "critical",
                "Global.return_word_box": True,  # it then gives the characters' probabilities
                "Det.limit_side_len": side,
                "Det.unclip_ratio": unclip,
                **recogniser(language),
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 48],
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, page: np.ndarray, upright_only: bool = False) -> tuple[list[Found], tuple[float, float]]:
        """The pieces of text on a (height, width, 3) RGB page, and the width of the print: without text, and of all.

        With `upright_only` raises LyingOnItsSide instead of reading a page that does. RapidOCR's classifier of turned
        pieces is left out: it turns upright lines and handwriting upside down more often than it helps.
        """
        with _without_denormals():
            image, done = self.preprocess_img(np.ascontiguousarray(page[:, :, ::-1]))
            try:
                cut_out, detected = self.detect_and_crop(image, done)  # what is tall, turned by 90 degrees to the left
            except RapidOCRError:  # nothing was found
                return [], (0.0, 0.0)
            if upright_only and (tall := upwards(np.asarray(detected.boxes, float))):
                sample = [cut_out[row] for row in tall[:SAMPLE]]
                right, left = self.scores([np.rot90(piece, 2) for piece in sample]), self.scores(sample)
                if max(right.mean(), left.mean()) > SURE:
                    raise LyingOnItsSide(90 if (right > left).mean() > 0.5 else 270)
            seen = self.recognize_txt(cut_out)
        widths = unread(np.asarray(detected.boxes, float), seen.txts, seen.scores)
        corners = np.asarray(map_boxes_to_original(detected.boxes, done, *page.shape[:2]), float)
        signs = (about.confs for about in seen.word_results)
        found = zip(corners, seen.txts, seen.scores, signs, strict=True)
        return [piece for piece in found if piece[1].strip() and piece[2] >= SURE], widths

    def read_line(self, picture: np.ndarray) -> tuple[str, float]:
        """The text of a picture of one line (height, width, 3), and its score."""
        with _without_denormals():
            seen = self.recognize_txt([self.preprocess_img(np.ascontiguousarray(picture[:, :, ::-1]))[0]])
        return seen.txts[0], seen.scores[0]

    def scores(self, pieces: list[np.ndarray]) -> np.ndarray:
        """The score of each piece of text, cut out and read as it stands."""
        return np.array(self.recognize_txt([np.ascontiguousarray(piece) for piece in pieces]).scores)


@contextlib.contextmanager
def _without_denormals() -> Iterator[None]:
    """Numbers too small for float32's usual form are taken as zero.

    The search for text makes so many of these denormals, at which a processor is far slower, that two of its layers
    took over half of its time; the same is read without them (read.json: search). ONNX Runtime's own setting reaches
    the first thread of a process alone.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


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


def upwards(corners: np.ndarray) -> list[int]:
    """The pieces of text, corners (n, 4, 2), whose lines run upwards or downwards, longest first.

    None where most of the longer pieces lie flat: then the page does not lie on its side.
    """
    sizes = corners.max(1) - corners.min(1)
    long = sizes.max(1) > LONG * sizes.min(1)
    tall = long & (sizes[:, 1] > TALL * sizes[:, 0])
    order = np.argsort(-sizes[:, 1] / sizes[:, 0], kind="stable")
    return [int(row) for row in order if tall[row]] if 2 * tall.sum() > long.sum() else []
