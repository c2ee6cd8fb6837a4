"""`make bench`: all benchmarks, shortest first; `python -m tests.bench runs`: the runs. `make results` makes both.

Each in a process of its own. What is recorded from this commit is skipped, so an interrupted call goes on. One that
fails, or lacks something (a library, a folder, bfloat16), stops no other: the end names it, and the status is 1.
"""

import os
import subprocess
import sys
from pathlib import Path

from medocr import storage

ROOT = Path(__file__).parents[2]
RUNS = {"demo": (), "demo-balanced": (), "experiments": ("--jobs", "2")}  # the last skips its own finished runs
SHORTEST_FIRST = (  # one that is not named comes last
    *("fields", "metrics", "memory", "data", "step", "loader", "transcribe", "equivalence", "rerun", "checkpoints"),
    *("read", "numbers", "train", "serve", "gguf", "digitize", "full_size", "scale", "faults", "route", "precision"),
    *("learning_rate", "rank", "units", "grpo", "attacks", "kills", "mutations", "clinocr", "loop"),
)
MODULES = [path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if "write_record(" in path.read_text()]
BENCHES = sorted(MODULES, key=lambda name: (*SHORTEST_FIRST, name).index(name))


def commands(runs: bool) -> dict[str, list[str]]:
    """The records under results/, of runs or of benchmarks, and the command that makes each."""
    if runs:
        command = [sys.executable, "-m", "medocr", "run"]
        return {f"{name}/run": [*command, name, "--force", *more] for name, more in RUNS.items()}
    clinocr, llama = (os.environ.get(name, "") for name in ("CLINOCR", "LLAMA_CPP"))
    given = {"clinocr": [clinocr], "gguf": ["--converter", f"{llama}/convert_hf_to_gguf.py"]}
    made = {f"bench/{name}": [sys.executable, "-m", f"tests.bench.{name}", *given.get(name, ())] for name in BENCHES}
    unsloth = "PYTHONPATH=tests/without_cuda .venv-unsloth/bin/python -m tests.unsloth_cpu"  # see make unsloth
    return {**made, "bench/unsloth": ["sh", "-c", unsloth]}


def make(commands: dict[str, list[str]], results: Path, marks: Path) -> int:
    """Run the commands whose records under `results` are of another commit; returns the exit status.

    A mark stands in `marks` until a command ends well: many write their record part by part.
    """
    commit, missing = storage.commit(), []
    marks.mkdir(parents=True, exist_ok=True)
    for record, command in commands.items():
        path, mark = results / f"{record}.json", marks / record.replace("/", "-")
        if not mark.exists() and path.exists() and storage.read_json(path).get("commit") == commit:
            continue
        mark.touch()
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print(done.stderr, file=sys.stderr, flush=True)
            missing.append(f"{record}: {(done.stderr.splitlines() or [f'status {done.returncode}'])[-1]}")
        else:
            mark.unlink()
    print(f"\n{len(commands) - len(missing)} of {len(commands)} are recorded", *missing, sep="\n")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(make(commands("runs" in sys.argv[1:]), ROOT / "results", ROOT / "build/unfinished"))
