"""`python -m tests.bench.memory`: what a training step at the published size holds in memory, counted without a card.

PyTorch's MemTracker follows every tensor of a step (weights, gradients, optimizer states, activations) while
FakeTensorMode keeps shapes and no data, so the full-size model is counted on any machine. Two batches a step, each of
4 pages of 1,280 visual and 400 answer tokens, loss on the answers alone, attention that never holds its scores.
Weights in bfloat16, LoRA's in float32; AdamW with states like its weights, or of 8 bits. Not counted: the CUDA context,
workspaces of libraries and fragmentation. Written to results/bench/memory.json, beside what a card measured.
"""

import contextlib
import itertools
import json
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils._pytree import tree_map_only
from torch.utils.hooks import RemovableHandle
from transformers.models.paddleocr_vl import modeling_paddleocr_vl as modeling

from medocr import storage
from medocr.model import add_lora
from tests import full_size

ROOT = Path(__file__).parents[2]
PAGES, COLUMNS, ROWS, ANSWER = 4, 32, 40, 400
PROMPT = 25  # tokens of the template before and after the image
IMAGE, START = 100_295, 101_305  # the published ids of an image's place and of its start
LORA = "LoRA, rank 64"
GRID = [[1, ROWS * 2, COLUMNS * 2]] * PAGES  # patches: time, height, width
LAYOUT = ("get_vision_interpolation_indices_and_weights", "get_vision_position_ids", "get_vision_attention_seqlens")


class Grid(np.ndarray):
    """Numbers that keep their values where tensors keep only shapes; the model asks for them in torch's words."""

    def prod(self, axis=None, *, dim=None):
        return super().prod(axis if dim is None else dim)


class EightBitAdamW(torch.optim.Optimizer):
    """The memory of AdamW with 8-bit states, not its arithmetic: two bytes per weight, and float32 scales per 256."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters, {})

    def step(self) -> None:
        for parameter in itertools.chain.from_iterable(group["params"] for group in self.param_groups):
            if parameter.grad is not None and not self.state[parameter]:
                scales = (parameter.numel() + 255) // 256
                for name in ("first", "second"):
                    self.state[parameter][name] = torch.zeros_like(parameter, dtype=torch.uint8)
                    self.state[parameter][f"{name}_scales"] = torch.zeros(scales, dtype=torch.float32)


class PeakTracker(MemTracker):
    """Follows the peak of the whole step alone: that of every module, at every operator, takes twenty times as long."""

    def _update_peak_stats(self, peak_state) -> None:
        modules, self.memory_tracking = self.memory_tracking, {}
        super()._update_peak_stats(peak_state)
        self.memory_tracking = modules


OPTIMIZERS = {"AdamW, states as the weights": torch.optim.AdamW, "AdamW, 8-bit states": EightBitAdamW}


def main() -> None:
    """Count every combination, print and keep."""
    cases = list(itertools.product(("all weights", LORA), OPTIMIZERS, (False, True)))
    with ProcessPoolExecutor(2) as pool:
        counts = list(pool.map(counted, *zip(*cases, strict=True)))
    rows = [
        dict(zip(("trained", "optimizer", "checkpointing"), case, strict=True)) | count
        for case, count in zip(cases, counts, strict=True)
    ]
    for row in rows:
        print(row)
    measured = {
        "all weights": _measured("full"),
        LORA: _measured("peft"),
    }
    print(measured)
    shape = {"pages": PAGES, "visual_tokens": COLUMNS * ROWS, "answer_tokens": ANSWER}
    storage.write_record(ROOT / "results/bench/memory.json", batch=shape, rows=rows, measured_on_a_card_gb=measured)


def _measured(part: str) -> float | None:
    """GB at the peak of the same batch with 8-bit AdamW and checkpointing, where a card was at hand."""
    file = ROOT / f"results/gpu/{part}.json"
    return round(json.loads(file.read_text())["peak_memory_gb"], 2) if file.is_file() else None


def counted(trained: str, optimizer: str, checkpointing: bool) -> dict[str, float]:
    """The last batch of a step that is not the first; GB at its peak, in all and by kind."""
    with FakeTensorMode(allow_non_fake_inputs=True) as shapes, real_layout(shapes):
        model = full_size.PaddleOCRVLForConditionalGeneration._from_config(
            full_size.published_config(), dtype=torch.bfloat16
        )
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if trained != "all weights":
            with mock.patch.object(torch.nn.Module, "to", lambda module, *_, **__: module):  # shapes cannot be moved
                model = add_lora(model)
        states = OPTIMIZERS[optimizer]([weight for weight in model.parameters() if weight.requires_grad])
        for weight in itertools.chain.from_iterable(group["params"] for group in states.param_groups):
            weight.grad = torch.zeros_like(weight)  # of the step's first batch
        states.step()  # makes the states, as a first step has done
        batch = a_batch()
        tracker = PeakTracker()
        tracker.track_external(model, states)
        with tracker:
            model(**batch, use_cache=False).loss.backward()
            states.step()
        (peak,) = tracker.get_tracker_snapshot("peak").values()
    return {str(getattr(kind, "value", kind)).lower(): round(size / 1e9, 2) for kind, size in peak.items()}


def _for_trained(register):
    """A tensor's method that registers a hook, for frozen weights, too: the tracker watches all, and those refuse."""
    return lambda tensor, hook: register(tensor, hook) if tensor.requires_grad else RemovableHandle(OrderedDict())


@contextlib.contextmanager
def real_layout(shapes: FakeTensorMode) -> Iterator[None]:
    """Compute where patches lie with data: how long those small tensors are depends on the values in the grid."""

    def with_data(name: str):
        function = getattr(modeling, name)

        def layout(_grid, *args, **options):
            with unset_fake_temporarily():
                made = function(torch.tensor(GRID), *args, **options)
                if name == "get_vision_attention_seqlens":
                    return np.array(made[0].tolist()), made[1]
            return tree_map_only(torch.Tensor, shapes.from_tensor, made)

        return layout

    with contextlib.ExitStack() as stack:
        for name in LAYOUT:
            stack.enter_context(mock.patch.object(modeling, name, with_data(name)))
        stack.enter_context(mock.patch.object(modeling, "torch_compilable_check"))  # it asks for values, too
        for name in ("register_hook", "register_post_accumulate_grad_hook"):
            stack.enter_context(mock.patch.object(torch.Tensor, name, _for_trained(getattr(torch.Tensor, name))))
        yield


def a_batch() -> dict[str, torch.Tensor]:
    """Pages as the collator gives them, labels cut to the answers."""
    tokens, length = COLUMNS * ROWS, PROMPT + COLUMNS * ROWS + ANSWER
    row = [1, START, *[IMAGE] * tokens, *[5] * (length - tokens - 2)]
    ids = torch.tensor([row] * PAGES)
    labels = torch.full((PAGES, ANSWER), 5)
    return {
        "input_ids": ids,
        "position_ids": torch.arange(length).expand(3, PAGES, -1),
        "labels": labels,
        "logits_to_keep": ANSWER,
        "pixel_values": torch.zeros(PAGES * tokens * 4, 3, 14, 14),
        "image_grid_thw": np.array(GRID).view(Grid),
    }


if __name__ == "__main__":
    main()
