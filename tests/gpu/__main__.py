"""`python -m tests.gpu [PART ...]`: evidence from a CUDA machine, as JSON and a table in results/gpu/.

Each part runs in a process of its own and leaves a file of its own; one that cannot run records why. A call ends within
`--minutes`; parts that it did not reach keep what an earlier call left, so call it again with their names.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("rate", "peft", "unsloth", "full", "resume", "merge", "reading", "stages", "l4")


def measure(part: str, setting, out: Path) -> dict:
    """One part's figures, or ValueError."""
    from tests.gpu import card, inference, l4, training

    if part == "l4":
        return l4.run(setting, out)
    if part == "rate":
        return card.run(setting)
    found = {
        "peft": lambda: training.lora(setting, "transformers"),
        "unsloth": lambda: training.lora(setting, "unsloth"),
        "full": lambda: training.full(setting),
        "resume": lambda: training.resume(setting, lambda rows: _keep(out, "resume", setting.size, rows)),
        "merge": lambda: inference.merge(setting),
        "reading": lambda: inference.reading(setting, lambda rows: _keep(out, "reading", setting.size, rows)),
        "stages": lambda: inference.stages(setting),
    }[part]()
    if "tflops" in found:
        rate = card.matrix_rate(setting.device)
        found |= {"bf16_tflops": rate, "share_of_matrix_rate": found["tflops"] / rate}
    return {"card": card.name(setting.device), **found}


def _keep(out: Path, part: str, size: str, rows: list[dict]) -> None:
    """Write what a part has measured so far, so that a time limit costs only what is not measured yet."""
    from medocr import storage

    storage.write_record(out / f"{part}.json", part=part, size=size, ran=True, finished=False, rows=rows)


def one(part: str, chosen: argparse.Namespace) -> int:
    """Measure a part here and keep what came of it; whatever stops it is its record."""
    from medocr import storage
    from tests.gpu.setting import Setting

    setting = Setting(chosen.size, chosen.device, chosen.work)
    began = time.perf_counter()
    try:
        found = {"ran": True, **measure(part, setting, chosen.out)}
    except Exception as error:  # a part's failure is a finding; the others go on
        trace = traceback.format_exc()[-3000:]
        print(trace, file=sys.stderr, flush=True)
        found = {"ran": False, "why": f"{type(error).__name__}: {error}"[:800], "traceback": trace}
    seconds = round(time.perf_counter() - began, 1)
    storage.write_record(chosen.out / f"{part}.json", part=part, size=chosen.size, total_seconds=seconds, **found)
    return 0 if found["ran"] else 1


def all_parts(chosen: argparse.Namespace) -> int:
    """Each part in a fresh process, until the minutes are over; returns how many did not run."""
    from medocr import storage
    from tests.gpu import table

    ends, failed = time.monotonic() + 60 * chosen.minutes - 10, 0
    for part in chosen.parts or PARTS:
        left = ends - time.monotonic()
        command = [sys.executable, "-m", "tests.gpu", part, "--here", "--size", chosen.size, "--device", chosen.device]
        command += ["--out", str(chosen.out), "--work", str(chosen.work)]
        why = None
        try:
            status = subprocess.run(command, cwd=ROOT, timeout=max(left, 1)).returncode
            if status > 1 or status < 0:
                why = f"its process ended with status {status}"
        except subprocess.TimeoutExpired:
            status, why = 1, f"not done when the call's {chosen.minutes:g} minutes were over: call this part alone"
        if why and not _kept(chosen.out / f"{part}.json"):
            storage.write_record(chosen.out / f"{part}.json", part=part, size=chosen.size, ran=False, why=why)
        failed += bool(status)
        print(f"{part:<8} {'done' if not status else why or 'did not run: see its file'}", flush=True)
    table.write(chosen.out)
    return failed


def _kept(path: Path) -> bool:
    """Whether an earlier call left this part's figures."""
    return path.is_file() and json.loads(path.read_text()).get("ran", False)


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, and return the number of parts that did not run."""
    parser = argparse.ArgumentParser(
        prog="tests.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all by default: {', '.join(PARTS)}")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=10, help="after which the call ends")
    parser.add_argument("--out", type=Path, default=ROOT / "results/gpu")
    parser.add_argument("--work", type=Path, default=ROOT / "data/gpu", help="for models: 8 GB at full size")
    parser.add_argument("--here", action="store_true", help="measure one part in this process")
    chosen = parser.parse_args(arguments)
    unknown = [part for part in chosen.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    chosen.out, chosen.work = chosen.out.resolve(), chosen.work.resolve()
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    return one(chosen.parts[0], chosen) if chosen.here else all_parts(chosen)


if __name__ == "__main__":
    sys.exit(main())
