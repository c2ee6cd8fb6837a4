"""Load a PaddleOCR-VL model and its processor: by Unsloth on a CUDA machine that has it, else by transformers."""

import functools
import importlib.util
import json
import logging
import re
import threading
from pathlib import Path
from typing import Literal

import huggingface_hub
import jinja2
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformers import AutoTokenizer, PaddleOCRVLForConditionalGeneration, PaddleOCRVLProcessor
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil
from transformers.utils.logging import disable_progress_bar

from medocr import BASES, cpu, prepare

# Every load would show a bar and warn that this model's rope has settings that others have not.
disable_progress_bar()
logging.getLogger("transformers.modeling_rope_utils").setLevel(logging.ERROR)

huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # also where it was imported before medocr could say so
TEMPLATE_S = 20.0  # to render a prompt, which takes a thousandth of a second
LONGEST_PROMPT = 100_000  # characters
LONGEST_SEQUENCE = 16_384  # tokens; only Unsloth wants to know
BACKENDS = ("auto", "unsloth", "transformers")


def load(
    base: str | Path,
    *,
    device: str = "auto",
    dtype: torch.dtype | Literal["stored"] | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    adapter: str | Path | None = None,
    backend: str = "transformers",
) -> tuple[torch.nn.Module, PaddleOCRVLProcessor]:
    """Load a model and its processor; returns `(model, processor)`, the model in evaluation mode.

    `base` is `tiny`, a folder or a name on the Hub. `device` is auto (cuda where there is
    one), cpu or cuda. `dtype` defaults to float32 on a CPU, else to bfloat16 or, where the card lacks it, float16;
    "stored" means, on a card, float16 for a model stored in it, as servers run it.
    `min_pixels` and `max_pixels` bound the pixels of a page after resizing; by default the model's own. `adapter` is
    a folder with a LoRA adapter to put on the model. `backend` is transformers, unsloth or auto (Unsloth where it is
    installed and a card is there), which training takes: Unsloth trains faster and in less memory, but its reading did
    not end in the time that transformers' took.
    Raises ValueError when the model is neither here nor within reach, the adapter is not of this base, or the device
    or backend is not there.
    """
    device = _device(device)
    backend = _backend(backend, device)
    folder = resolve(base)
    if dtype in (None, "stored"):
        dtype = _dtype(device, folder if dtype else None)
    processor = load_processor(folder, min_pixels, max_pixels)
    model = _unsloth(folder, dtype) if backend == "unsloth" else _transformers(folder, dtype, device)
    # PaddleOCR-VL was trained, and vLLM computes it, without aligned corners; transformers 5.15 to 5.22 align them,
    # which moves every image feature.
    model.model.visual.vision_model.embeddings.interpolation_align_corners = False
    _correct_config(model)
    if adapter is not None:
        model = _attach(model, adapter)
    return model.eval(), processor


def _device(device: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(f"device is {device!r}: use auto, cpu or cuda")
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device != "cpu" and not available:
        raise ValueError(
            f"device is {device!r} but this machine has no CUDA device that torch can use: "
            "set device to 'cpu', or run on a machine with an NVIDIA GPU and a CUDA build of torch"
        )
    return device


def _dtype(device: str, stored: Path | None) -> torch.dtype:
    """The precision on a device; of a model folder (`stored`) the one it is stored in, if that is float16."""
    if device == "cpu":
        return torch.float32
    config = json.loads((stored / "config.json").read_text(encoding="utf-8")) if stored else {}
    if "float16" in (config.get("dtype"), config.get("torch_dtype")):
        return torch.float16
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _backend(backend: str, device: str) -> str:
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}: use one of {', '.join(BACKENDS)}")
    installed = importlib.util.find_spec("unsloth") is not None
    if backend == "auto":
        return "unsloth" if installed and device != "cpu" else "transformers"
    if backend == "unsloth" and device == "cpu":
        raise ValueError("backend is 'unsloth', which needs a CUDA device: use 'transformers' on a CPU")
    if backend == "unsloth" and not installed:
        raise ValueError("backend is 'unsloth', which is not installed: pip install unsloth, or use 'transformers'")
    return backend


def resolve(base: str | Path) -> Path:
    """The folder of a model: the embedded one, one on this machine, or a snapshot from the Hub.

    Raises ValueError when it is neither a model folder nor can be fetched.
    """
    folder = BASES.get(str(base), Path(base))
    if not folder.is_dir():
        folder = _fetch(str(base))
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json in this folder, so it holds no model")
    return folder


def _fetch(name: str) -> Path:
    try:
        return Path(snapshot_download(name, ignore_patterns=["*/*", "*.bin", "*.pt"]))
    except HFValidationError:
        raise ValueError(f"{name}: there is no such folder, and it is no name on the Hugging Face Hub") from None
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{name}: not a folder here, and the Hugging Face Hub did not give it ({reason}). Check name and network; "
            f"or fetch it where there is network (hf download {name} --local-dir FOLDER) and give that folder instead"
        ) from error


def load_processor(
    folder: str | Path, min_pixels: int | None = None, max_pixels: int | None = None
) -> PaddleOCRVLProcessor:
    """The processor of a model folder, with pixel limits of its own.

    Built explicitly: AutoProcessor wants torchvision, and resizes by other code where that is installed.
    Raises ValueError when the folder has no chat template, or the limits contradict each other.
    """
    try:
        images, tokenizer = PaddleOCRVLImageProcessorPil.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        processor = PaddleOCRVLProcessor(images, tokenizer, chat_template=tokenizer.chat_template)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a broken file makes its reader raise
        raise _broken(folder, "processor or tokenizer", error) from error
    for settings in (images.__dict__, tokenizer.init_kwargs):
        settings.pop("auto_map", None)  # it names the Hub's own code, which a saved processor has not beside it
    lowest, highest = min_pixels or images.size["shortest_edge"], max_pixels or images.size["longest_edge"]
    if not 0 < lowest <= highest:
        raise ValueError(f"min_pixels {lowest} is above max_pixels {highest}, or below 1: give others")
    images.size = {"shortest_edge": lowest, "longest_edge": highest}
    if not tokenizer.chat_template:
        raise ValueError(f"{folder}: there is no chat template (chat_template.jinja), so prompts cannot be built")
    _check_template(processor, folder)
    return processor


def _check_template(processor: PaddleOCRVLProcessor, folder: str | Path) -> None:
    """Render a prompt once, for a template is a program: transformers shuts it in, but lets it run for ever."""
    rendered: list = []

    def render() -> None:
        try:
            rendered.append(processor.apply_chat_template(prepare.messages(None), add_generation_prompt=True))
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
            rendered.append(error)

    thread = threading.Thread(target=render, daemon=True)  # which ends with this process, if not before
    thread.start()
    thread.join(TEMPLATE_S)
    if not rendered:
        why = f"gives no prompt in {TEMPLATE_S:g} s"
    elif isinstance(rendered[0], Exception):
        why = f"fails ({type(rendered[0]).__name__})"
    elif len(rendered[0]) > LONGEST_PROMPT:
        why = f"gives a prompt of {len(rendered[0]):,} characters"
    else:
        return
    raise ValueError(f"{folder}: the chat template {why}: use the chat_template.jinja that came with the base")


def save_processor(processor: PaddleOCRVLProcessor, folder: str | Path) -> None:
    """Write processor, tokenizer and chat template so that `load` and plain transformers find them in `folder`."""
    processor.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)  # preprocessor_config.json, which other programs look for
    # Converters to GGUF look for these names, which transformers reads but does not write.
    limits = processor.image_processor.size
    sizes = {"min_pixels": limits["shortest_edge"], "max_pixels": limits["longest_edge"]}
    _add_settings(Path(folder) / "preprocessor_config.json", sizes)
    tokenizer = processor.tokenizer
    added = {number: token.__getstate__() for number, token in tokenizer.added_tokens_decoder.items()}
    begins = tokenizer("1")["input_ids"][0] == tokenizer.bos_token_id
    spaced = tokenizer.tokenize("1")[0].startswith("▁")  # llama.cpp puts a space before every text unless told not to
    settings = {"added_tokens_decoder": added, "add_bos_token": begins, "add_prefix_space": spaced}
    _add_settings(Path(folder) / "tokenizer_config.json", settings)


def _add_settings(path: Path, settings: dict) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _broken(folder: str | Path, what: str, error: Exception) -> ValueError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return ValueError(f"{folder}: the {what} cannot be loaded, a file is missing or cut off ({reason}); put it back")


def _refuse_pickles(folder: Path, what: str) -> None:
    """Raise ValueError where a folder's only weights are pickled: to load these can run any program."""
    pickled = [path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in sorted(folder.glob(pattern))]
    if pickled and not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder}: the {what}'s weights are pickled ({pickled[0]}), which can run any program when loaded: save "
            "them as safetensors where you trust them, and give that folder"
        )


def check_finite(model, name: str) -> None:
    """Raise ValueError where a loaded model's weights hold NaN or infinity, with which it reads nothing."""
    for tensor, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(
                f"{name}: {tensor} holds NaN or infinity: the weights are damaged; make or fetch them anew"
            )


def _transformers(folder: Path, dtype: torch.dtype, device: str):
    _refuse_pickles(folder, "model")
    try:
        model, info = PaddleOCRVLForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, use_safetensors=True
        )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a broken file makes its reader raise
        raise _broken(folder, "weights", error) from error
    if missing := sorted(info["missing_keys"]):  # transformers fills them with random numbers and goes on
        raise ValueError(f"{folder}: {len(missing)} tensors are missing from the weights, {missing[0]} among them")
    if device == "cpu":
        cpu.install_attention(model)
    return model.to(device)


def _unsloth(folder: Path, dtype: torch.dtype):
    from unsloth import FastVisionModel

    model, _ = FastVisionModel.from_pretrained(
        model_name=str(folder), max_seq_length=LONGEST_SEQUENCE, dtype=dtype, load_in_4bit=False, full_finetuning=False
    )
    return model


def _correct_config(model) -> None:
    """Make the config say what the model is: whether the head is tied, and no code of the Hub's.

    The Hub's config is flat, so its `tie_word_embeddings` does not reach `text_config`, whose default ties; and its
    `auto_map` names Python files that a saved folder does not hold.
    """
    config, tied = model.config, model.lm_head.weight is model.get_input_embeddings().weight
    for part in (config, config.text_config, config.vision_config):
        part.__dict__.pop("auto_map", None)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = tied


def _attach(model, adapter: str | Path):
    from peft import PeftModel

    _refuse_pickles(Path(adapter), "adapter")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (Path(adapter) / name).is_file():
            raise ValueError(f"{adapter}: no {name} in this folder, so it holds no LoRA adapter")
    try:
        return PeftModel.from_pretrained(model, adapter)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a broken file makes its reader raise
        if "size mismatch" in str(error) or "not found in the base model" in str(error):
            message = f"{adapter}: this adapter was trained on another base; train again (notebook 04)"
            raise ValueError(message) from None
        raise _broken(adapter, "adapter", error) from error


@functools.cache
def bf16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 matrices natively (AVX-512 BF16 or AMX): about twice float32's speed."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
