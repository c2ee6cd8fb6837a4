"""`python -m tests.bench.loader`: what feeding a step costs at full size; written to results/bench/loader.json.

A4 scans at 200 dpi, resized to at most 1,280 visual tokens, in the published batches of four. Before: each batch was
normalised to float32 by one of two worker processes, which started anew in every epoch, each with a cache of its own.
Now: bytes out of one cache in the training's own process, normalised on the device. Both are measured in turn in one
process, so that what else the machine does falls on both; ratios and bytes carry over to another machine, seconds do
not. No GPU is needed, and none is timed.

Pages of other sizes: images of a batch stand end to end, without padding; texts are padded to the longest of a batch.
Unsloth compiles with dynamic sizes, and how often that compiles anew is counted here on a layer's MLP, since rounding
sizes up to a few would change what the model sees of a page.
"""

import io
import statistics
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/loader.json"
BATCH, STEP, PAGES, ROUNDS, EPOCHS = 4, 8, 16, 5, 3
MOST = 28 * 28 * 1280  # pixels
SHARED_MEMORY = 64 * 2**20  # bytes: what a container has in /dev/shm unless told otherwise
WORKERS, PREFETCHED = 2, 2  # before; batches that each worker kept ready
DPI = 200


def scans(count: int) -> list:
    """A4 pages of lines of text as a scanner's JPEG, each with an answer of 400 tokens."""
    import numpy as np
    from PIL import Image, ImageDraw

    from tests import full_size

    random = np.random.default_rng(0)
    samples = full_size.make_samples(count, 2, 2, 400)
    for sample in samples:
        page = Image.new("RGB", (round(8.27 * DPI), round(11.69 * DPI)), "white")
        draw = ImageDraw.Draw(page)
        for top in range(100, page.height - 100, 40):
            draw.text((100, top), "".join(random.choice(list(full_size.LETTERS), 70)), fill="black", font_size=28)
        buffer = io.BytesIO()
        page.save(buffer, "JPEG", quality=90)
        sample.image = buffer.getvalue()
    return samples


def seconds(**works) -> dict[str, float]:
    """The median seconds of the processor that each piece of work takes, all of them in turn."""
    taken = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = time.process_time()
            work()
            taken[name].append(time.process_time() - began)
    return {name: statistics.median(values) for name, values in taken.items()}


def before_class() -> type:
    """The collator as it was: float32 pixels, for a loader with workers."""
    from medocr.train import data

    class Before(data.Collator):
        def __call__(self, rows):
            batch = super().__call__(rows)
            return {**batch, "pixel_values": self.normalised(batch["pixel_values"])}

    return Before


def epochs(collator, workers: int) -> list[float]:
    """Seconds of each epoch of a loader that does nothing with its batches."""
    from torch.utils.data import DataLoader

    rows, taken = [{"row": row} for row in range(PAGES)], []
    loader = DataLoader(rows, batch_size=BATCH, collate_fn=collator, num_workers=workers)
    for _ in range(EPOCHS):
        collator.expect(range(PAGES))
        began = time.perf_counter()
        for _batch in loader:
            pass
        taken.append(time.perf_counter() - began)
    return taken


def measure() -> dict:
    """Bytes, and seconds of the parts and of whole epochs, before and now."""
    import torch

    from medocr import model as models
    from medocr.demo.tiny import FOLDER
    from medocr.train import data

    torch.set_num_threads(1)  # as in a worker
    processor = models.load_processor(FOLDER, 28 * 28, MOST)
    samples, first = scans(PAGES), list(range(BATCH))
    before, now = before_class()(processor, samples), data.Collator(processor, samples)
    rows = [{"row": row} for row in first]
    old, new = before(rows), now(rows)
    equal = {name: torch.equal(tensor, now.model_inputs(first)[name]) for name, tensor in old.items()}
    parts = seconds(
        encode_page=lambda: now._encode(samples[0], *now._pixels(samples[0])),
        collate_before=lambda: before(rows),
        collate_now=lambda: now(rows),
    )
    loaders = {"before": epochs(before_class()(processor, samples), WORKERS)}
    loaders["now"] = epochs(data.Collator(processor, samples, threads=WORKERS), 0)
    return {
        "visual_tokens_per_page": int(old["image_grid_thw"][0].prod()) // 4,
        "batches_equal": all(equal.values()),
        "bytes": _bytes(old, new),
        "processor_seconds": parts,
        "collate_ratio": parts["collate_before"] / parts["collate_now"],
        "step_in_a_later_epoch": _later_step(parts),
        "compilations_for_12_sizes": compilations(),
        "padding": padding(),
        "epochs_seconds": loaders,
        "epochs_ratio": [earlier / later for earlier, later in zip(*loaders.values(), strict=True)],
    }


def compilations(sizes: int = 12) -> dict[str, int]:
    """How often a layer's MLP is compiled for so many page sizes: by dynamic sizes, torch's default, static ones."""
    import torch
    from transformers import PaddleOCRVLConfig
    from transformers.models.paddleocr_vl.modeling_paddleocr_vl import PaddleOCRVisionMLP

    layer, found = PaddleOCRVisionMLP(PaddleOCRVLConfig().vision_config).to("meta"), {}
    for name, dynamic in (("dynamic", True), ("default", None), ("static", False)):
        graphs = []

        def count(graph, _, graphs=graphs):
            graphs.append(graph)
            return graph.forward

        torch._dynamo.reset()
        with torch._dynamo.config.patch(recompile_limit=64), torch.no_grad():
            compiled = torch.compile(layer, backend=count, dynamic=dynamic)
            for number in range(sizes):
                compiled(torch.empty(784 + 336 * number, layer.fc1.in_features, device="meta"))
        found[name] = len(graphs)
    return found


def padding(pages: int = 1969) -> dict[str, float]:
    """The share of a batch's text positions that is padding, for pages of 200 to 1,280 visual tokens."""
    import numpy as np

    from medocr.train import data

    random = np.random.default_rng(0)
    visual, answer = random.integers(200, 1281, pages), random.integers(50, 801, pages)
    lengths = visual + answer
    sampler = data.LengthGroupedSampler((4 * visual + answer).tolist(), BATCH, seed=0)
    orders = {"like_sizes": list(sampler), "shuffled": random.permutation(pages)[: len(sampler)]}
    shares = {}
    for name, order in orders.items():
        batches = lengths[np.array(order)].reshape(-1, BATCH)
        shares[name] = float(1 - batches.sum() / (BATCH * batches.max(1)).sum())
    return shares


def _bytes(old: dict, new: dict) -> dict:
    """A batch in bytes, and what lay in shared memory at once: every batch that workers kept ready, and one in use."""
    sizes = {name: sum(t.nbytes for t in batch.values()) for name, batch in (("before", old), ("now", new))}
    shared = sizes["before"] * (WORKERS * PREFETCHED + 1)
    return {
        "batch": sizes,
        "batch_ratio": sizes["before"] / sizes["now"],
        "shared_memory": {"before": shared, "now": 0, "of_a_container": SHARED_MEMORY},
    }


def _later_step(parts: dict[str, float]) -> dict:
    """Core seconds that the pages of one optimizer step take once they have been seen in an epoch."""
    batches = STEP // BATCH
    before = STEP * parts["encode_page"] + batches * parts["collate_before"]  # caches ended with their workers
    now = batches * parts["collate_now"]
    return {"before": before, "now": now, "ratio": before / now}


def main() -> None:
    """Measure, print and keep."""
    from medocr import storage

    found = measure()
    for name, value in found.items():
        print(f"{name:<24} {value}")
    about = {"pages": PAGES, "batch": BATCH, "step": STEP, "dpi": DPI, "workers": WORKERS, "threads": WORKERS}
    storage.write_record(OUT, command="python -m tests.bench.loader", settings=about, **found)


if __name__ == "__main__":
    main()
