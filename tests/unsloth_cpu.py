"""`make unsloth`: 04 to 06 on a model in the Hub's format by Unsloth's path, on a CPU, beside transformers' path.

Two processes train the same small random base by the same recipe, one by each backend, and compute the loss and
the gradients of one batch with the same adapter; Unsloth's is also done again, and stopped amid training and resumed,
and both read both adapters. One thread computes: with two, sums of Unsloth's are not always done in the same order, and
a training done again differs in the seventh digit already. CUDA is faked (see fake_cuda): Unsloth's own code for
models, LoRA, checkpointing and loss runs as on a card, but uncompiled, and no kernel in Triton runs. Written to
results/bench/unsloth.json.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors.torch

ROOT = Path(__file__).parents[1]
OUT = ROOT / "results/bench/unsloth.json"
BACKENDS = ("transformers", "unsloth")
RECIPE = {"max_steps": 6, "batch_size": 2, "accumulation": 2, "r": 4, "alpha": 4, "save_every": 2, "warmup": 0}
OPTIONS = {"learning_rate": 1e-2, "gradient_checkpointing": True, "pretrained": False, "progress": False}
UNSLOTH = {"UNSLOTH_ALLOW_CPU": "1", "UNSLOTH_SKIP_TORCHVISION_CHECK": "1", "UNSLOTH_DISABLE_STATISTICS": "1"}
UNSLOTH |= {"TORCHDYNAMO_DISABLE": "1"}  # its code runs as plain Python: what a CPU compiles says nothing of a card
PACKAGES = ("unsloth", "unsloth_zoo", "torch", "transformers", "trl", "peft")


def work(backend: str, folder: Path) -> dict:
    """Everything that one backend does, in a process of its own."""
    if backend == "unsloth":
        import unsloth  # noqa: F401  (before transformers)

        from tests import fake_cuda

        fake_cuda.install()
    else:
        from tests.hub_shaped import make_hub_base

        make_hub_base(folder / "base")
    from medocr.model import loading

    loading._backend = lambda asked, _: asked  # which refuses Unsloth on a CPU
    rows = _samples(folder / "base")
    found = {"training": _train(backend, folder, rows), **_gradients(backend, folder, rows)}
    if backend == "unsloth":
        _train(backend, folder, rows, "again")
        _resume(folder, rows)
        for name in ("again", "resumed"):
            found[f"{name}_adapter_is_the_same"] = _adapter(folder / name) == _adapter(folder / backend)
        found["logits"] = _read_both(folder, rows)
        found["merge"] = _merge(folder, rows)
    return found


def _samples(base: Path) -> list:
    from medocr import model, prepare
    from tests.small_model import make_samples

    limits = model.load_processor(base).image_processor.size.values()
    made = []
    for sample in make_samples(8):
        tokens = prepare.visual_tokens(*sample.open().size, *sorted(limits))
        made.append(prepare.Sample(**{**vars(sample), "visual_tokens": tokens}))
    return made


def _train(backend: str, folder: Path, rows: list, name: str | None = None) -> dict:
    from medocr import train

    options = {"device": "cpu", "backend": backend, **OPTIONS, **RECIPE}
    made = train.train(folder / "base", rows[:6], rows[6:], folder / (name or backend), **options)
    kept = ("loss", "eval_loss", "eval_cer", "grad_norm")
    history = [{name: row[name] for name in ("step", *kept) if name in row} for row in made["history"]]
    return {"backend": made["backend"], "precision": made["precision"], "history": history}


def _gradients(backend: str, folder: Path, rows: list) -> dict:
    """Loss of one batch, and the gradients of LoRA's weights with B filled, kept in a file."""
    from medocr import model as models
    from medocr.train import data

    model, processor = models.load(folder / "base", device="cpu", backend=backend)
    tuned = models.add_lora(model, 4, 4, gradient_checkpointing=True)
    _fill(tuned)
    tuned.train()
    collator = data.Collator(processor, rows)
    loss = tuned(**collator.model_inputs([0, 1], "cpu"), use_cache=False).loss
    loss.backward()
    learnt = {name: weight for name, weight in tuned.named_parameters() if weight.requires_grad}
    gradients = {name: weight.grad.clone() for name, weight in learnt.items() if weight.grad is not None}
    safetensors.torch.save_file(gradients, folder / f"{backend}.safetensors")
    return {"loss": loss.item(), "tensors": len(learnt), "with_gradient": len(gradients)}


def _fill(model) -> None:
    """The same adapter for both backends, which draw its first weights differently."""
    import torch

    random = torch.Generator().manual_seed(0)
    for name, weight in sorted(model.named_parameters()):
        if "lora_" in name:
            weight.data.normal_(0, 0.05, generator=random)


def _adapter(out: Path) -> bytes:
    return (out / "adapter/adapter_model.safetensors").read_bytes()


def _resume(folder: Path, rows: list) -> None:
    """A training that is stopped after its second checkpoint, and resumed."""
    from medocr import train
    from medocr.train import trainer

    real, calls = trainer._validation_cer, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    trainer._validation_cer = stop
    options = {"device": "cpu", "backend": "unsloth", **OPTIONS, **RECIPE}
    try:
        train.train(folder / "base", rows[:6], rows[6:], folder / "resumed", **options)
    except KeyboardInterrupt:
        trainer._validation_cer = real
    made = train.train(folder / "base", rows[:6], rows[6:], folder / "resumed", **options)
    assert made["resumed_from"] == 4


def _read_both(folder: Path, rows: list) -> dict[str, float]:
    """Per adapter: the largest difference between the logits of the two backends, in their standard deviation."""
    from medocr import merge
    from medocr import model as models

    apart = {}
    for trained_by in BACKENDS:
        logits = []
        for backend in BACKENDS:
            adapter = folder / trained_by / "adapter"
            model, processor = models.load(folder / "base", device="cpu", backend=backend, adapter=adapter)
            logits.append(merge.parity.probe(model, processor, rows[6:])["logits"])
        apart[f"adapter by {trained_by}"] = ((logits[0] - logits[1]).abs().max() / logits[0].std()).item()
    return apart


def _merge(folder: Path, rows: list) -> dict:
    """05's reading and 06's merging and gate with Unsloth's adapter."""
    from medocr import evaluate, merge
    from medocr import model as models

    base, adapter, merged = folder / "base", folder / "unsloth/adapter", folder / "merged"
    model, processor = models.load(base, device="cpu", adapter=adapter)
    read = evaluate.predict(model, processor, rows[6:], "tuned", max_new_tokens=24, batch_size=2)
    merge.merge(base, adapter, merged)
    gate = merge.check_parity(base, adapter, merged, rows[6:], device="cpu")
    return {"pages_read": len(read), "passed": gate.passed, "why": gate.why}


def gradients_apart(folder: Path) -> float:
    """The largest difference of a LoRA tensor's gradients, relative to the tensor's largest value."""
    one, other = (safetensors.torch.load_file(folder / f"{backend}.safetensors") for backend in BACKENDS)
    assert one.keys() == other.keys()
    return max(((one[n] - other[n]).abs().max() / one[n].abs().max().clamp(min=1e-12)).item() for n in one)


def _in_a_process(backend: str, folder: Path) -> dict:
    extra = {**UNSLOTH, "UNSLOTH_COMPILE_LOCATION": str(folder / "compiled")} if backend == "unsloth" else {}
    path = os.pathsep.join([str(ROOT / "tests/without_cuda"), str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, **extra, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    result = folder / f"{backend}.json"
    command = [sys.executable, "-m", "tests.unsloth_cpu", "--backend", backend, "--folder", str(folder)]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return json.loads(result.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, help="do this one's part alone, in this process")
    parser.add_argument("--folder", type=Path, help="where base, adapters and results go")
    chosen = parser.parse_args()
    if chosen.backend:
        (chosen.folder / f"{chosen.backend}.json").write_text(json.dumps(work(chosen.backend, chosen.folder)))
        return
    from medocr import storage

    with tempfile.TemporaryDirectory(prefix="medocr-unsloth-") as name:
        folder = Path(name)
        by = {backend: _in_a_process(backend, folder) for backend in BACKENDS}
        apart = gradients_apart(folder)
    losses = [[row["loss"] for row in by[backend]["training"]["history"] if "loss" in row] for backend in BACKENDS]
    figures = {
        "loss_apart": abs(by["transformers"]["loss"] - by["unsloth"]["loss"]),
        "gradients_apart": apart,
        "step_losses_apart": max(abs(a - b) for a, b in zip(*losses, strict=True)),
    }
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    print(figures)
    storage.write_record(OUT, command="make unsloth", weights_are="random", cuda="faked", threads=1, packages=versions,
                         **figures, **by)  # fmt: skip


if __name__ == "__main__":
    main()
