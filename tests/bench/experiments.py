"""`python -m tests.bench.experiments`: a small table of runs from end to end, two side by side, and again; minutes.

Nothing is kept: it fails where a run, the sharing of stages, the findings or the recognition of finished runs does.
"""

import json
import tempfile
from pathlib import Path

from medocr.__main__ import main as medocr
from medocr.findings import experiments

COUNTS = "prescription = 40, lab_report = 4, form = 4, receipt = 20, invoice = 20"
TABLE = f"""
seeds = [1]
curate = {{ pages_from = [{{ source = "synthetic", workers = 1, counts = {{ {COUNTS} }} }}] }}
transcribe = {{ processes = 1, speed_pages = 0 }}
prepare = {{ base = "tiny", max_answer_tokens = 300 }}
train = {{ max_steps = 2, save_every = 2 }}
evaluate = {{ models = ["tuned"], test_pages = false, held_out_per_type = 2, peer_pages = 0 }}
[runs.baseline]
evaluate = {{ models = ["base", "tuned"] }}
[runs.rank-8]
train = {{ r = 8, alpha = 8 }}
"""


def main() -> None:
    """Run the table twice in a folder of its own and look at what it left."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.toml").write_text(TABLE)
        command = ["run", str(folder / "small.toml"), "--out", str(folder), "--jobs", "2"]
        assert medocr(command) == 0
        made = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("results/small/*/run.json")}
        states = [row["state"] for run in made.values() for row in run["stages"]]
        assert states.count("shared") == 3, states
        assert made["rank-8-1"]["train"]["trainable"] * 8 == made["baseline-1"]["train"]["trainable"]
        assert (folder / "results/small/08_findings.ipynb").exists()
        assert all(trial.finished() for trial in experiments.load_table(command[1], (), folder))
        assert medocr(command) == 0


if __name__ == "__main__":
    main()
