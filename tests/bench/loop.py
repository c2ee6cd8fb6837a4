"""`python -m tests.bench.loop`: does a person's time pay more on the pages that the model is least sure of?

For each seed a pool of drawn pages is read by the embedded base and written as a digitised folder. A person, played by
the known truth, reviews 100 of its pages: those read with the least confidence, or as many drawn by chance. Both
reviews become training pages by way of the source `reviewed`, both fine-tune the base by the same recipe, and the three
models read the same pages from groups that no pool holds. `results/bench/loop.json` has the scores, paired by page.
"""

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medocr import metrics, prepare, review, sources, storage, train
from medocr import model as models
from medocr.demo import synthetic
from medocr.digitize import Output, record
from medocr.model import Reading
from medocr.read import PageRecord
from medocr.schema import Page

OUT = Path(__file__).parents[2] / "results/bench/loop.json"
POOL = {"prescription": 60, "lab_report": 60, "receipt": 30, "invoice": 30}
UNSEEN = {"prescription": 20, "lab_report": 20, "receipt": 10, "invoice": 10}
REVIEWED = 100  # pages
EPOCHS = 3  # over the reviewed pages, as in the published recipe
LEARNING_RATE = 2e-3  # the best of results/bench/learning_rate.json
LONGEST = 300  # tokens of an answer, as in demo.toml
UNSEEN_SEED = 11
METRICS = ("cer", "field_recall", "test_value_f1")
MODELS = ("base", "least_sure", "chance")


def read(adapter: Path | None, pages: Sequence[Page]) -> list[Reading]:
    """What the base, or the base with an adapter, reads on pages."""
    return models.read(*models.load("tiny", adapter=adapter), pages, max_new_tokens=LONGEST, progress=False)


def digitise(folder: Path, page: Page, reading: Reading) -> str:
    """Write one page as the record of a document whose whole text, as one line, waits for a person; returns its id."""
    text, sure = " ".join(reading.text.split()), reading.confidence or 0.0
    line = {"text": text, "box": None, "confidence": sure}
    result = PageRecord(text, [line], 0, sure, None, "stop", 0.0)
    reader = {"name": "tiny", "hash": ""}
    document = record.document(page.origin, [(page, result)], reader, synthetic=True, phi=False)
    (read,), output = document["pages"], Output(folder)
    picture, suffix, (read["width"], read["height"]) = record.image_of(page, turn=0)
    read["image"] = f"pages/{page.id}{suffix}"
    output.write(read["image"], picture)
    field = {"id": "1-1", "page": 1, "kind": "header", "name": "text", "columns": {}, "text": text, "line": 0}
    document["fields"] = [field | {"box": None, "confidence": sure, "reasons": [], "status": "review"}]
    output.write_record(document)
    return document["id"]


def correct(folder: Path, identity: str, truth: str) -> None:
    """The person writes down what the page says, or accepts the text as it was read."""
    document = review.read_document(folder, identity)
    field, right = document["fields"][0], " ".join(truth.split())
    kind = {"decision": "accept"} if right == field["text"] else {"decision": "correct", "columns": {}, "text": right}
    review.decide(folder, document, review.Decision("1-1", by="truth", **kind), review.standing(document, field, []))


def trained(folder: Path, chosen: Sequence[str], truths: dict[str, str], out: Path, seed: int) -> Path:
    """The adapter that comes of reviewing the chosen documents of a folder and training on the reviewed pages."""
    for identity in chosen:
        correct(folder, identity, truths[identity])
    pages = [item for item in sources.load("reviewed", path=folder, contains_phi=False) if isinstance(item, Page)]
    if len(pages) != len(chosen):
        raise RuntimeError(f"{len(pages)} of {len(chosen)} reviewed pages came back as labels")
    limits = models.load_processor(models.resolve("tiny")).image_processor.size
    rows = [sample(page, limits["shortest_edge"], limits["longest_edge"]) for page in pages]
    recipe = {"epochs": EPOCHS, "save_every": 1000, "learning_rate": LEARNING_RATE, "seed": seed}
    train.train("tiny", rows, [], out, progress=False, **recipe)
    return out / "adapter"


def sample(page: Page, min_pixels: int, max_pixels: int) -> prepare.Sample:
    """A page to train on, with nothing held back: the pages to test on come from elsewhere."""
    tokens = prepare.visual_tokens(*page.open().size, min_pixels, max_pixels)
    return prepare.Sample(**vars(page), answer=prepare.format_text(page.text), visual_tokens=tokens)


def one_seed(seed: int, unseen: Sequence[Page], work: Path) -> dict[str, list[Reading]]:
    """What both fine-tuned models read on the unseen pages; prints whom the reviews were of."""
    pool = list(synthetic.pages(POOL, seed, unlabelled=(), workers=1))
    readings = read(None, pool)
    made = {}
    for way, choose in (("least_sure", least_sure), ("chance", by_chance(seed))):
        folder = work / f"{seed}-{way}"
        pages = {digitise(folder, page, reading): page for page, reading in zip(pool, readings, strict=True)}
        truths = {document: page.truth for document, page in pages.items()}
        chosen = choose(review.queue(folder))
        print(seed, way, Counter(pages[document].doc_type for document in chosen), flush=True)
        made[way] = read(trained(folder, chosen, truths, work / f"{seed}-{way}-trained", seed), unseen)
    return made


def least_sure(queue: Sequence[tuple[str, str]]) -> list[str]:
    """The documents at the head of the review's own queue."""
    return [document for document, _ in queue[:REVIEWED]]


def by_chance(seed: int) -> Callable:
    """A draw of as many documents, whatever their place in the queue."""
    return lambda queue: random.Random(seed).sample(sorted(document for document, _ in queue), REVIEWED)


def scores(pages: Sequence[Page], readings: Sequence[Reading]) -> np.ndarray:
    """Pages × METRICS; the error rate is capped at 1."""
    rows = []
    for page, reading in zip(pages, readings, strict=True):
        row = metrics.score_page(page.truth, reading.text, page.fields)
        rows.append([min(1.0, row["cer"]), *(row.get(name, np.nan) for name in METRICS[1:])])
    return np.array(rows, float)


def summary(pages: Sequence[Page], by_seed: dict[int, dict[str, np.ndarray]]) -> list[dict]:
    """For all, medical and general pages and each metric: the means over the seeds, and pairs of models compared."""
    means = {name: np.mean([scored[name] for scored in by_seed.values()], axis=0) for name in MODELS}
    rows = []
    for part in ("all", "medical", "general"):
        inside = np.array([part in ("all", page.domain) for page in pages])
        groups = [page.group for page, here in zip(pages, inside, strict=True) if here]
        for base, tuned in (("base", "least_sure"), ("base", "chance"), ("chance", "least_sure")):
            compared = metrics.compare_columns(means[base][inside], means[tuned][inside], groups)
            for name, row in zip(METRICS, compared, strict=True):
                rows.append({"pages": part, "metric": name, "from": base, "to": tuned, **vars(row)})
    return [row for row in rows if row["n"]]


def main() -> None:
    """Run seed by seed, print, and keep after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=(1, 2, 3))
    chosen = parser.parse_args()
    unseen = list(synthetic.pages(UNSEEN, UNSEEN_SEED, groups=synthetic.HELD_OUT_GROUPS, unlabelled=(), workers=1))
    base, by_seed = scores(unseen, read(None, unseen)), {}
    for seed in chosen.seeds:
        with tempfile.TemporaryDirectory() as work:
            made = one_seed(seed, unseen, Path(work))
        by_seed[seed] = {"base": base, **{way: scores(unseen, readings) for way, readings in made.items()}}
        cer = {name: round(float(scored[:, 0].mean()), 4) for name, scored in by_seed[seed].items()}
        print(json.dumps({"seed": seed, "cer": cer}), flush=True)
        keep(unseen, by_seed)


def keep(unseen: Sequence[Page], by_seed: dict[int, dict[str, np.ndarray]]) -> None:
    """Write what is known so far."""
    seeds = [
        {"seed": seed, **{f"{name}_cer": float(scored[name][:, 0].mean()) for name in MODELS}}
        for seed, scored in by_seed.items()
    ]
    recipe = {"pool": POOL, "reviewed": REVIEWED, "unseen": UNSEEN, "epochs": EPOCHS, "learning_rate": LEARNING_RATE}
    storage.write_record(
        OUT, **recipe, base=storage.model_hash(models.resolve("tiny")), seeds=seeds, rows=summary(unseen, by_seed)
    )


if __name__ == "__main__":
    main()
