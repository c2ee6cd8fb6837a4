"""The parity gate: is the merged model, as it lies on disk, the base with the adapter?"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from medocr import model as models
from medocr import prepare, storage
from medocr.merge import files
from medocr.train.data import IGNORED, Collator

PAGES = 32
AGREEMENT = 0.995  # share of teacher-forced tokens that must be the same
LOGIT_DIFFERENCE = 0.05  # of the logits' standard deviation
POSITIONS = 64  # per page, where all logits are compared; the chosen token is compared everywhere
SCALE_TOLERANCE = 0.1
BINS, DECADES = 40, (-6, 2)  # of the histograms of logit differences, in powers of ten
FOREIGN = "not the base's, though no adapter is on it:"


@dataclass
class Parity:
    """The gate's verdict: `why` names what failed, `figures` holds what was measured."""

    passed: bool
    why: list[str]
    figures: dict = field(default_factory=dict)


def check_parity(
    base: str | Path,
    adapter: str | Path,
    merged: str | Path,
    pages: list,
    *,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    device: str = "auto",
) -> Parity:
    """Compare the merged folder with base and adapter on the first 32 of `pages` (prepare.Sample).

    Looks at every file, at the weights, at the base's revision, and at teacher-forced logits: base and adapter are
    computed here, the merged model in a fresh process that knows only its folder. All in float32, so that what
    differs comes from the merge; on a GPU the merged model in float16 as well, where overflow is counted.
    Raises ValueError only for a base or an adapter that cannot be loaded, or no pages.
    """
    if not pages:
        raise ValueError("the parity gate needs at least one page: give it the test pages")
    pages, merged = pages[:PAGES], Path(merged)
    if broken := files.check_whole(merged):
        return Parity(False, broken)
    options = {"device": device, "dtype": torch.float32, "backend": "transformers"}
    limits = {"min_pixels": min_pixels, "max_pixels": max_pixels}
    tuned, processor = models.load(base, adapter=adapter, **options, **limits)
    try:
        why, figures = _check_weights(tuned, merged)
    except ValueError as error:  # there is nothing to run
        return Parity(False, [str(error)])
    why += files.check_processor(processor, merged) + files.check_config(merged) + files.check_revision(base, adapter)
    expected = probe(tuned, processor, pages)
    with tuned.disable_adapter():
        before = probe(tuned, processor, pages)
    device = str(tuned.device)
    del tuned
    try:
        actual = _probe_elsewhere(merged, pages, device)
    except ValueError as error:
        return Parity(False, [*why, str(error)], figures)
    verdicts, compared = compare(expected, before, actual)
    overflow, in_half = judge_half(actual, expected["tokens"])
    why += verdicts + overflow
    return Parity(not why, why, {**figures, **compared, **in_half, "pages": len(pages)})


def _check_weights(tuned, merged: Path) -> tuple[list[str], dict]:
    """Hold each tensor of the merged file against the float16 value of what base and adapter give.

    Where an adapted module differs, the c of W + c·s·B·A that fits best explains it: 0 is not merged at all. It
    explains only: after a few steps B·A is smaller than float16's steps, and c then is noise.
    """
    loaded, _ = models.load(merged, device="cpu", dtype=torch.float32, backend="transformers")
    tensors = loaded.state_dict()
    core = tuned.get_base_model()
    deltas = {f"{n}.weight": m.get_delta_weight("default") for n, m in core.named_modules() if hasattr(m, "lora_A")}
    weights = {name.replace(".base_layer.", "."): t for name, t in core.state_dict().items() if ".lora_" not in name}
    wrong: dict[str, list[str]] = {}
    for name, weight in weights.items():
        delta = deltas[name].cpu() if name in deltas else None
        kind, note = _explain(tensors[name], weight.cpu(), delta)
        if kind:
            wrong.setdefault(kind, []).append(name + note)
    unmerged = sum(name.split(" ")[0] in deltas for names in wrong.values() for name in names)
    why = [f"{kind} {_list(names)}" for kind, names in wrong.items()]
    foreign = len(wrong.get(FOREIGN, []))
    untouched = len(weights) - len(deltas)
    if foreign > untouched / 2:
        why.insert(0, f"made from another base or revision: {foreign} of {untouched} untouched tensors")
    return why, {"modules_merged": len(deltas) - unmerged, "modules": len(deltas)}


def _explain(actual: torch.Tensor, weight: torch.Tensor, delta: torch.Tensor | None) -> tuple[str, str]:
    """What is wrong with one merged tensor, and a note; empty when it is base and adapter rounded to float16."""
    if not actual.isfinite().all():
        return "NaN or infinity in", ""
    if _rounded(actual, weight if delta is None else weight + delta):
        return "", ""
    if delta is None:
        return FOREIGN, ""
    share = ((actual - weight) * delta).sum().item() / max(delta.square().sum().item(), 1e-30)
    if abs(share) <= SCALE_TOLERANCE:
        return "not merged:", ""
    if abs(share - 1) <= SCALE_TOLERANCE:
        return "not what base and adapter give:", ""
    return "merged with another scaling:", f" (× {share:.2f})"


def _rounded(actual: torch.Tensor, exact: torch.Tensor) -> bool:
    """Whether `actual` is `exact` in float16: equal but for one value in a hundred, which may be the neighbour.

    Values near the middle between two float16 numbers go either way by the order of float32 operations.
    """
    off = (actual - exact.half().float()).abs()
    step = exact.abs() * 2**-10 + 2**-24
    return (off <= step).all().item() and (off > 0).float().mean().item() <= 0.01


def _list(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def probe(model, processor, pages: list) -> dict[str, torch.Tensor]:
    """Teacher-forced on the pages' answers: `tokens` (all positions), the most likely ones, `margins` and `logits`.

    A margin is by how much the most likely token's logit exceeds the second's. Logits (n, vocabulary) are kept at up
    to POSITIONS positions of each page, evenly drawn.
    """
    collator = Collator(processor, pages)
    tokens, margins, logits = [], [], []
    for row in range(len(pages)):
        batch = collator.model_inputs([row], model.device)
        answer = (batch.pop("labels")[0] != IGNORED).nonzero().flatten() - 1
        with torch.inference_mode():
            all_logits = model(**batch, logits_to_keep=answer).logits[0].float()
        first, second = all_logits.topk(2).values.unbind(-1)
        tokens.append(all_logits.argmax(-1).cpu())
        margins.append((first - second).cpu())
        chosen = np.linspace(0, len(all_logits) - 1, min(POSITIONS, len(all_logits))).round()
        logits.append(all_logits[torch.from_numpy(chosen).long().to(all_logits.device)].cpu())
    return {"tokens": torch.cat(tokens), "margins": torch.cat(margins), "logits": torch.cat(logits)}


def _probe_elsewhere(merged: Path, pages: list, device: str) -> dict[str, torch.Tensor]:
    """`probe` in a new Python process; ValueError with the end of its output when that fails."""
    with tempfile.TemporaryDirectory() as folder:
        rows, result = Path(folder) / "pages.parquet", Path(folder) / "probe.safetensors"
        storage.write(rows, pages, prepare.Sample)
        command = [sys.executable, "-m", "medocr.merge", str(merged), str(rows), str(result), device]
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        if done.returncode or not result.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise ValueError(f"the merged model does not run in a fresh process: {last}")
        return safetensors.torch.load_file(result)


def compare(expected: dict, before: dict, actual: dict) -> tuple[list[str], dict]:
    """What the logits of the merged model (`actual`) fail by, against the tuned model and the base; and the figures."""
    if actual["logits"].shape != expected["logits"].shape:
        return [f"logits of shape {tuple(actual['logits'].shape)}, not {tuple(expected['logits'].shape)}"], {}
    if not actual["logits"].isfinite().all():
        return ["the logits hold NaN or infinity"], {}
    spread = expected["logits"].std().item()
    flips = actual["tokens"] != expected["tokens"]
    near_ties = flips & (expected["margins"] <= LOGIT_DIFFERENCE * spread)  # rounding may turn these either way
    agreement = 1 - (flips & ~near_ties).float().mean().item()
    to_tuned, to_base = ((actual["logits"] - other["logits"]) / spread for other in (expected, before))
    difference, off, moved = to_tuned.abs().max().item(), _rms(to_tuned), _rms(to_base)
    why = []
    if agreement < AGREEMENT:
        why.append(f"only {agreement:.2%} of the tokens agree with the tuned model; {AGREEMENT:.1%} are needed")
    if difference > LOGIT_DIFFERENCE:
        why.append(f"logits differ by {difference:.3f} of their standard deviation; {LOGIT_DIFFERENCE} is allowed")
    if moved <= off:
        why.append(f"the merged model is as near to the base ({moved:.1e}) as to the tuned model ({off:.1e})")
    return why, {
        "limits": {"token_agreement": AGREEMENT, "logit_difference": LOGIT_DIFFERENCE},
        "token_agreement": agreement,
        "logit_difference": difference,
        "tokens": len(actual["tokens"]),
        "near_ties": int(near_ties.sum()),
        "rms_to_tuned": off,
        "rms_to_base": moved,
        "histogram": {"edges": _edges(), "to_tuned": _counts(to_tuned), "to_base": _counts(to_base)},
    }


def probe_half(model: torch.nn.Module, processor, pages: list) -> dict[str, torch.Tensor]:
    """`probe` again with the model turned to float16, in place; its tokens, and what it counted.

    `overflows`: values that came out of a module as NaN or infinity; `largest`: the largest finite one, of at most
    65,504. Weights were looked at when they were merged; activations are the model's own with each page.
    """
    counts: dict[str, torch.Tensor] = {}

    def count(_module, _inputs, output) -> None:
        for tensor in output if isinstance(output, tuple) else (output,):
            if torch.is_tensor(tensor) and tensor.dtype == torch.float16:
                finite = tensor.isfinite()
                largest = tensor.where(finite, 0).abs().amax().float()
                counts["overflows"] = counts.get("overflows", 0) + (~finite).sum()
                counts["largest"] = torch.maximum(counts.get("largest", largest), largest)

    model.half()
    hooks = [module.register_forward_hook(count) for module in model.modules()]
    try:
        tokens = probe(model, processor, pages)["tokens"]
    finally:
        for hook in hooks:
            hook.remove()
    return {"half_tokens": tokens, **{name: value.cpu() for name, value in counts.items()}}


def judge_half(actual: dict[str, torch.Tensor], tokens: torch.Tensor) -> tuple[list[str], dict]:
    """What speaks against serving in float16, and the figures; nothing where it was not probed.

    `tokens` are those of base and adapter in float32. Overflow fails the gate; tokens that rounding turns do not.
    """
    if "half_tokens" not in actual:
        return [], {}
    overflows = int(actual["overflows"])
    agreement = (actual["half_tokens"] == tokens).float().mean().item()
    figures = {"float16_overflows": overflows, "float16_largest": actual["largest"].item()}
    why = f"in float16 {overflows:,} activations are NaN or beyond 65,504: serve it with --dtype bfloat16"
    return [why] if overflows else [], {**figures, "float16_agreement": agreement}


def _edges() -> list[float]:
    return [float(f"{edge:.4g}") for edge in np.logspace(*DECADES, BINS + 1)]


def _counts(differences: torch.Tensor) -> list[int]:
    """How many differences, without their signs, lie between `_edges`; those beyond count at the nearest one."""
    exponents = differences.abs().clamp(10.0 ** DECADES[0], 10.0 ** DECADES[1]).log10()
    return [int(count) for count in torch.histc(exponents, BINS, *DECADES)]


def _rms(tensor: torch.Tensor) -> float:
    return tensor.pow(2).mean().sqrt().item()


def main(arguments: list[str]) -> None:
    """`python -m medocr.merge MODEL PAGES RESULT DEVICE`: probe the model in a folder."""
    folder, rows, result, device = arguments
    model, processor = models.load(folder, device=device, dtype=torch.float32, backend="transformers")
    actual = probe_both(model, processor, list(storage.read(rows, prepare.Sample)), in_half=model.device.type != "cpu")
    safetensors.torch.save_file(actual, result)


def probe_both(model, processor, pages: list, *, in_half: bool) -> dict[str, torch.Tensor]:
    """`probe` in float32 and then, where asked for, in float16, to which the model is turned."""
    actual = probe(model, processor, pages)
    return {**actual, **probe_half(model, processor, pages)} if in_half else actual
