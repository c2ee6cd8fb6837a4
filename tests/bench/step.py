"""`python -m tests.bench.step`: what an optimizer step at full size computes and moves, counted without a card.

Every operator of a step (two batches of 4 pages of 1,280 visual and 400 answer tokens, with checkpointing) is counted
with its floating-point operations and the bytes that it reads and writes, while FakeTensorMode keeps shapes and no
data. Summed over operators, the longer of both at a card's rates is the least time that the step takes when nothing is
fused. The tensors lie on a CPU, whose autocast leaves layer norms in bfloat16; CUDA's puts them into float32, so that
is done by hand. Not counted: clipping, the optimizer, and what a card waits for. Written to results/bench/step.json,
beside what a card measured.
"""

import collections
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import layer_norm, scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count
from transformers import AttentionInterface
from trl.trainer import sft_trainer

from medocr import storage
from medocr.model import add_lora
from medocr.model.lora import _leave_casts_to_autocast
from tests import full_size
from tests.bench import memory

OUT = memory.ROOT / "results/bench/step.json"
ROUNDS = 9  # of the measurement here
BATCHES = 2  # of an optimizer step
BYTES_PER_S = 3e12  # what an H100's memory gives
PARTS = {"all weights": "full", "LoRA, inputs cast to float32": "peft"}  # which a card has measured
LORA = "LoRA"
CAST = "LoRA, inputs cast to float32"  # as PEFT does by itself, and medocr did when the card measured it
PLAIN = "LoRA, loss without entropy and accuracy"
MATMUL = ("mm", "addmm", "bmm", "convolution", "convolution_backward")
COPIES = ("_to_copy", "clone", "copy_", "cat", "index", "slice_backward", "select_backward")
PACKED = "flash_in_step"  # a name with "flash", by which transformers hands over all pages of a batch as one sequence
FREE = ("device", "_unsafe_view", "detach", "alias")  # move nothing


class Counter(TorchDispatchMode):
    """Adds up operators, operations, bytes and least seconds by kind."""

    def __init__(self, flops_per_s: float) -> None:
        super().__init__()
        self.rate = flops_per_s
        self.kinds: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        name = function._schema.name.partition("::")[2]
        if not function.is_view and name not in FREE:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, output)) if isinstance(leaf, torch.Tensor)]
            moved, computed = sum(tensor.nbytes for tensor in tensors), _flops(function, name, args, kwargs, output)
            seconds = max(moved / BYTES_PER_S, computed / self.rate)
            self.kinds[_kind(name)].update({"operators": 1, "gb": moved / 1e9, "tflop": computed / 1e12, "s": seconds})
        return output


def _flops(function, name: str, args, kwargs, output) -> int:
    if "attention" in name:
        shapes = [leaf.shape for leaf in args[:4] if isinstance(leaf, torch.Tensor)]
        return sdpa_backward_flop_count(*shapes) if "backward" in name else sdpa_flop_count(*shapes[:3])
    count = flop_registry.get(function._overloadpacket)
    return count(*args, **(kwargs or {}), out_val=output) if count else 0


def _kind(name: str) -> str:
    if "attention" in name:
        return "attention"
    return "matrix products" if name in MATMUL else "casts and copies" if name in COPIES else "elementwise and sums"


@contextlib.contextmanager
def on_cuda(lora: bool) -> Iterator[None]:
    """Attention and, where autocast works, layer norms as on CUDA; data where the attention asks for values."""

    def packed(module, query, key, value, *, scaling, cu_seq_lens_q, **_):
        """As a flash kernel does, all pages at once, which are of one size here: (1, heads, patches of all, size)."""
        if torch.is_autocast_enabled("cpu"):
            query, key, value = (tensor.bfloat16() for tensor in (query, key, value))
        length = int(cu_seq_lens_q[1])
        pages = [tensor[0].transpose(0, 1).unflatten(0, (-1, length)).transpose(1, 2) for tensor in (query, key, value)]
        return scaled_dot_product_attention(*pages, scale=scaling).transpose(1, 2).flatten(0, 1).unsqueeze(0), None

    def in_float32(self, x):
        return layer_norm(x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps)

    AttentionInterface.register(PACKED, packed)
    with mock.patch.object(torch.nn.LayerNorm, "forward", in_float32) if lora else contextlib.nullcontext():
        yield


def a_model(lora: bool) -> torch.nn.Module:
    model = full_size.PaddleOCRVLForConditionalGeneration._from_config(
        full_size.published_config(), dtype=torch.bfloat16
    )
    model.set_attn_implementation({"vision_config": PACKED})
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    with mock.patch.object(torch.nn.Module, "to", lambda module, *_, **__: module):  # shapes cannot be moved
        return add_lora(model) if lora else model


def chunked_loss(model: torch.nn.Module, batch: dict, chunk: Callable) -> torch.Tensor:
    """TRL's loss of the answers, whose own loop asks for the number of labels."""
    whole = {name: value for name, value in batch.items() if name not in ("labels", "logits_to_keep")}
    base = model.get_base_model()
    hidden = base.model(**whole, use_cache=False).last_hidden_state[:, -memory.ANSWER - 1 : -1].flatten(0, 1)
    size, head, labels = sft_trainer._CHUNKED_LM_HEAD_CHUNK_SIZE, base.lm_head.weight, batch["labels"].flatten()
    parts = zip(hidden.split(size), labels.split(size), strict=True)
    sums = [checkpoint(chunk, h, head, None, label, 1.0, None, use_reentrant=False) for h, label in parts]
    return sum(part[0] for part in sums) / len(labels)


def loss_alone(hidden, head, bias, labels, *_) -> tuple[torch.Tensor]:
    return (torch.nn.functional.cross_entropy((hidden @ head.t()).float(), labels, reduction="sum"),)


def counted(trained: str, flops_per_s: float) -> dict:
    """One optimizer step: for each kind and in all the operators, GB, 10¹² operations and least seconds."""
    lora = trained != "all weights"
    counter = Counter(flops_per_s)
    with FakeTensorMode(allow_non_fake_inputs=True) as shapes, memory.real_layout(shapes), on_cuda(lora):
        model, batch = a_model(lora), memory.a_batch()
        for module in model.modules() if trained == CAST else ():
            module.__dict__.pop("_cast_input_dtype", None)  # medocr's, which leaves casts to autocast
        with counter:
            with torch.autocast("cpu", torch.bfloat16, enabled=lora):
                chunk = loss_alone if trained == PLAIN else sft_trainer._chunk
                loss = chunked_loss(model, batch, chunk) if lora else model(**batch, use_cache=False).loss
            loss.backward()
    kinds = {kind: {n: value * BATCHES for n, value in sums.items()} for kind, sums in sorted(counter.kinds.items())}
    return {**kinds, "all": dict(sum((collections.Counter(sums) for sums in kinds.values()), collections.Counter()))}


def main() -> None:
    """Count, set beside what a card measured, print and keep."""
    card = {name: json.loads((memory.ROOT / f"results/gpu/{part}.json").read_text()) for name, part in PARTS.items()}
    rate = card[CAST]["bf16_tflops"] * 1e12
    names = [*PARTS, LORA, PLAIN]
    with ProcessPoolExecutor(2) as pool:
        rows = dict(zip(names, pool.map(counted, names, [rate] * len(names)), strict=True))
    for name, part in card.items():
        seconds = part["seconds_per_step"]
        rows[name] |= {"measured_s": seconds, "measured_over_least": seconds / rows[name]["all"]["s"]}
    print(json.dumps(rows, indent=1))
    storage.write_record(
        OUT, command="python -m tests.bench.step", bytes_per_s=BYTES_PER_S, flops_per_s=rate,
        casting=casting(), rows=rows,
    )  # fmt: skip


def casting() -> dict:
    """CPU seconds here of one vision layer's LoRA, forward and back under autocast to bfloat16, by either way."""
    model = torch.nn.Sequential(torch.nn.Linear(1152, 1152)).to(torch.bfloat16)
    inject_adapter_in_model(LoraConfig(r=64, target_modules=["0"]), model)
    seconds: dict[str, list[float]] = {CAST: [], LORA: []}
    rows = torch.randn(2048, 1152, dtype=torch.bfloat16, requires_grad=True)
    for way in [CAST, LORA] * ROUNDS:
        model[0].__dict__.pop("_cast_input_dtype", None)
        if way == LORA:
            _leave_casts_to_autocast(model)
        began = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            output = model(rows)
        output.sum().backward()
        seconds[way].append(time.process_time() - began)
    medians = {way: statistics.median(of[1:]) for way, of in seconds.items()}
    return {"cpu_seconds": medians, "ratio": medians[LORA] / medians[CAST]}


if __name__ == "__main__":
    main()
