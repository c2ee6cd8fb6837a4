"""`python -m tests.gpu [PART ...]`: evidence from a CUDA machine, as JSON and a table in results/gpu/.

Each part runs in a process of its own and leaves a file of its own; one that cannot run records why. A call ends within
`--minutes`; parts that it did not reach keep what an earlier call left, so call it again with their names.
"""

import argparse
import functools
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
    keep = functools.partial(_keep, out, part, setting.size)
    found = {
        "peft": lambda: training.lora(setting, "transformers", keep),
        "unsloth": lambda: training.lora(setting, "unsloth", keep),
        "full": lambda: training.full(setting),
        "resume": lambda: training.resume(setting, keep),
        "merge": lambda: inference.merge(setting, keep),
        "reading": lambda: inference.reading(setting, keep),
        "stages": lambda: inference.stages(setting),
    }[part]()
    if "tflops" in found:
        rate = card.matrix_rate(setting.device)
        found |= {"bf16_tflops": rate, "share_of_matrix_rate": found["tflops"] / rate}
    return {"card": card.name(setting.device), **found}


def _keep(out: Path, part: str, size: str, **found) -> None:
    """Write what a part has measured so far, so that a time limit costs only what is not measured yet.

    Where an earlier call finished the part, that file stays, and this one lies beside it.
    """
    from medocr import storage

    name = f"{part}_unfinished.json" if _kept(out / f"{part}.json") else f"{part}.json"
    storage.write_record(out / name, part=part, size=size, ran=True, finished=False, **found)


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
        found |= {"rows": rows} if (rows := _found(chosen.out / f"{part}.json").get("rows")) else {}
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
        if why and not _found(chosen.out / f"{part}.json").get("ran"):
            storage.write_record(chosen.out / f"{part}.json", part=part, size=chosen.size, ran=False, why=why)
        failed += bool(status)
        print(f"{part:<8} {'done' if not status else why or 'did not run: see its file'}", flush=True)
    table.write(chosen.out)
    return failed


def _kept(path: Path) -> bool:
    """Whether an earlier call left all of this part's figures."""
    found = _found(path)
    return found.get("ran", False) and found.get("finished", True)


def _found(path: Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}


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
