"""`python -m tests.bench.equivalence`: every step from pixels to logits; written to results/bench/equivalence.json.

What `medocr.model.load` gives is compared, step by step, with the publishers' own code and with vLLM 0.32, both
written anew in tests/published.py, on a small random model in the Hub's file format and on pages of several shapes.
Differences are the largest ones, in the unit of the step; the verdict says whether they are rounding. Serving by vLLM
itself is another check, tests/serving.
"""

import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/equivalence.json"
VLLM = "0.32.0"
SIZES = ((341, 173), (200, 300), (620, 877), (30, 400), (1240, 1754))  # width × height, px; the last is A4 at 150 dpi
MOST = 28 * 28 * 400  # pixels: the largest pages are made smaller
ROUNDING = 1e-4  # in standard deviations of what is compared
LIMITS = (  # the profile l4's, and smaller ones
    {"shortest_edge": 147_456, "longest_edge": 1_003_520},
    {"shortest_edge": 784, "longest_edge": 130 * 784},
)
RESIZING = "resizing (pixel values, 0 to 255)"
DOES = {  # where the implementations go different ways, or read something from a file
    RESIZING: "medocr and the publishers: Pillow, bicubic; vLLM: torchvision on bytes, bicubic with antialiasing",
    "rescaling, normalising, order of patches": "medocr and the publishers: in two steps; vLLM: in one, fused",
    "patches and their places": "bilinear without aligned corners; plain transformers 5.15 to 5.22 aligns them",
    "logits, from the page": "all of the above at once",
    "chat template": "all: the base's own file; 1.0 lets the answer begin after a space, 1.5 and 1.6 on a new line",
    "end token": "medocr: generation_config.json's, and the last label; vLLM: generation_config.json's",
    "mask of a padded batch": "medocr: padded batches; the two others: pages end to end, without padding",
}


def pages() -> list:
    """Printed lines, lines of a form and noise, drawn anew."""
    import numpy as np
    from PIL import Image, ImageDraw

    random, made = np.random.default_rng(0), []
    for width, height in SIZES:
        page = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(page)
        for top in range(4, height, 22):
            draw.text((5, top), "Natrium 139 mmol/l 135-145 Kalium 4.1 " * 4, fill=(20, 20, 60), font_size=14)
            draw.line((0, top + 18, width, top + 18), fill=(160, 160, 160))
        noise = random.integers(0, 12, (height, width, 3), dtype=np.uint8)
        made.append(Image.fromarray(np.asarray(page) - noise))
    return made


def base(folder: Path) -> Path:
    """The Hub-shaped model with biases and norms that are not 0 and 1, which would hide a missing one."""
    import safetensors.torch
    import torch

    from tests.hub_shaped import make_hub_base

    path = make_hub_base(folder) / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    random = torch.Generator().manual_seed(1)
    for name, tensor in weights.items():
        if tensor.dim() == 1:
            shift = 0.1 * torch.randn(tensor.shape, generator=random)
            weights[name] = (tensor.float() + shift).to(tensor.dtype)
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    return folder


def steps(model, processor, published, image) -> dict[str, tuple]:
    """For each step what medocr computes and what the two others do, on one page."""
    import torch

    from medocr import model as models
    from tests import published as reference

    limits = processor.image_processor.size
    height, width = reference.size(image.height, image.width, limits["shortest_edge"], limits["longest_edge"])
    rows, columns = height // reference.PATCH, width // reference.PATCH
    inputs, seen = models.encode(processor, [image]), {}
    bytes_ = models.encode(processor, [image], do_rescale=False, do_normalize=False)["pixel_values"]
    plain, by_torch = (reference.resized(image, height, width, by_torch=way) for way in (False, True))
    raw = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3, "rescale_factor": 1.0}
    with torch.no_grad(), _watched(model, seen):
        logits = model(**inputs, logits_to_keep=0).logits[0]
    ids, pixels = inputs["input_ids"][0].tolist(), inputs["pixel_values"]
    places, _ = model.model.get_rope_index(**{k: v for k, v in inputs.items() if k != "pixel_values"})
    cells = reference.position_ids(ids, published.config["image_token_id"], rows // 2, columns // 2)
    tower = published.seen(pixels, rows, columns)
    cosines = published.text_angles(cells).cos()
    whole = {
        way: published.logits(ids, reference.patches(made, published.preprocessor, fused=way == "vllm"), rows, columns)
        for way, made in (("published", plain), ("vllm", by_torch))
    }
    normalised = [reference.patches(plain, published.preprocessor, fused=way) for way in (False, True)]
    same = {
        "size after resizing (px)": (
            14 * inputs["image_grid_thw"][0, 1:].float(),
            torch.tensor([height, width]).float(),
        ),
        "image features after the vision tower": (seen["tower"], tower),
        "patches and their places": (seen["embedded"], published.embedded(pixels, rows, columns)),
        "visual tokens after the projector": (seen["projected"], published.projected(tower, rows, columns)),
        "position ids (M-RoPE)": (places[:, 0].float(), cells.float()),
        "cosines of the text's rotary positions": (seen["cosines"], cosines.repeat(1, 2)),
        "logits, from medocr's pixels": (logits, published.logits(ids, pixels, rows, columns)),
    }
    return {
        **{step: (own, other, other) for step, (own, other) in same.items()},
        RESIZING: (bytes_, *(reference.patches(m, raw) for m in (plain, by_torch))),
        "rescaling, normalising, order of patches": (pixels, *normalised),
        "logits, from the page": (logits, whole["published"], whole["vllm"]),
    }


class _watched:
    """Within, what the model's parts give is kept in `seen`."""

    def __init__(self, model, seen: dict) -> None:
        vision = model.model.visual.vision_model
        self.parts = {"embedded": vision.embeddings, "tower": vision.post_layernorm, "projected": model.model.projector}
        self.parts["cosines"] = model.model.language_model.rotary_emb
        self.seen = seen

    def __enter__(self) -> None:
        self.hooks = [part.register_forward_hook(self._keep(name)) for name, part in self.parts.items()]

    def _keep(self, name: str):
        def keep(module, inputs, output) -> None:
            output = output[0] if isinstance(output, tuple) else output
            self.seen[name] = output.squeeze(0)

        return keep

    def __exit__(self, *_) -> None:
        for hook in self.hooks:
            hook.remove()


def measured(step: str, found: list[tuple]) -> dict:
    """The largest differences over the pages, also in standard deviations, and what they are."""
    row = {"step": step, "does": DOES.get(step, "the same"), "difference": {}, "deviations": {}, "verdict": {}}
    for place, way in ((1, "published"), (2, "vllm")):
        worst = [((page[0] - page[place]).abs().max().item(), page[0].std().item()) for page in found]
        row["difference"][way] = max(difference for difference, _ in worst)
        row["deviations"][way] = max(difference / (spread or 1.0) for difference, spread in worst)
        row["verdict"][way] = "equal within rounding" if row["deviations"][way] < ROUNDING else "differs"
    return row


def strips(limits: dict[str, int]) -> dict:
    """At how many page sizes transformers, which keeps a side of one cell, and the publishers' rule differ."""
    from medocr import prepare
    from tests import published as reference

    least, most = sorted(limits.values())
    differ, tried = [], 0
    for width in range(20, 4001, 20):
        for height in range(20, 4001, 20):
            if max(width, height) / min(width, height) > 200:
                continue
            tried += 1
            other = reference.size(height, width, least, most)
            if prepare.visual_tokens(width, height, least, most) != other[0] * other[1] // 28**2:
                differ.append((width, height))
    return {"min_pixels": least, "max_pixels": most, "sizes": tried, "differ": len(differ), "first": differ[:1]}


def padded(model, processor, images: list) -> float:
    """How far a page's last logits move when a larger page stands beside it in the batch, in standard deviations."""
    import torch

    from medocr import model as models

    with torch.no_grad():
        alone = model(**models.encode(processor, images[:1]), logits_to_keep=1).logits[0]
        beside = model(**models.encode(processor, images), logits_to_keep=1).logits[0]
    return ((alone - beside).abs().max() / alone.std()).item()


def readings(count: int = 48) -> dict:
    """What the two ways of resizing do to a model that reads: the embedded one, on receipts a third too large."""
    from PIL import Image

    from medocr import metrics, prepare
    from medocr import model as models
    from medocr.demo import synthetic
    from tests import published as reference

    model, processor = models.load("tiny", device="cpu")
    least, most = sorted(processor.image_processor.size.values())
    drawn = list(synthetic.pages({"receipt": count}, workers=1))
    texts, errors = {}, {}
    for by_torch in (False, True):
        images = []
        for page in drawn:
            image = page.open()
            scan = image.resize((image.width * 4 // 3, image.height * 4 // 3), Image.Resampling.LANCZOS)
            height, width = reference.size(image.height, image.width, least, most)
            images.append(Image.fromarray(reference.resized(scan, height, width, by_torch=by_torch)))
        found = models.read(model, processor, images, progress=False)
        texts[by_torch] = [reading.text for reading in found]
        answers = [prepare.format_text(page.text) for page in drawn]
        errors[by_torch] = sum(map(metrics.cer, answers, texts[by_torch])) / len(drawn)
    same = sum(map(str.__eq__, texts[False], texts[True]))
    return {"pages": len(drawn), "read_the_same": same, "cer": {"pillow": errors[False], "torchvision": errors[True]}}


def fixed(model, processor, published) -> list[dict]:
    """Steps that have no tensors to compare: the prompt, the end token, the head, padding."""
    from medocr import prepare

    prompt = processor.apply_chat_template(prepare.messages(None), add_generation_prompt=True)
    head = model.lm_head.weight is model.get_input_embeddings().weight
    moved = padded(model, processor, pages()[:2])
    return [
        {"step": "chat template", "does": DOES["chat template"], "prompt": prompt},
        {"step": "end token", "does": DOES["end token"], "id": model.generation_config.eos_token_id},
        {"step": "output head tied", "medocr": head, "published": published.config["tie_word_embeddings"]},
        {"step": "mask of a padded batch", "does": DOES["mask of a padded batch"], "deviations": moved},
    ]


def main() -> None:
    """Compare, print and keep."""
    from medocr import model as models
    from medocr import storage
    from tests.published import Published

    with tempfile.TemporaryDirectory() as folder:
        path = base(Path(folder))
        model, processor = models.load(path, device="cpu", max_pixels=MOST)
        published = Published(path)
        found = [steps(model, processor, published, image) for image in pages()]
        rows = [measured(step, [page[step] for page in found]) for step in found[0]]
        rows += fixed(model, processor, published)
    by_page = [float((page[RESIZING][0] - page[RESIZING][2]).abs().max()) for page in found]
    for row in rows:
        print(row)
    storage.write_record(
        OUT,
        command="python -m tests.bench.equivalence",
        vllm=VLLM,
        page_sizes=SIZES,
        resizing_by_page=by_page,
        readings=readings(),
        strips=[strips(limits) for limits in LIMITS],
        rows=rows,
    )


if __name__ == "__main__":
    main()
