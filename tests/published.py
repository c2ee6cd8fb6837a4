"""PaddleOCR-VL as its publishers' own code computes it, written anew from reading that code and vLLM's.

It shares nothing with transformers' model: weights are read by the Hub's names, and every step is plain arithmetic in
float32 on one page at a time. Where vLLM goes another way, a function says so and takes it.
"""

import json
import math
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch.nn.functional import gelu, interpolate, layer_norm, silu

PATCH, CELL = 14, 28  # px: a patch's side, and a visual token's
VISION_THETA, VISION_EPS, PROJECTOR_EPS, TEXT_EPS = 10_000.0, 1e-6, 1e-5, 1e-5


def size(height: int, width: int, least: int, most: int) -> tuple[int, int]:
    """Height and width after resizing, both multiples of 28; the publishers' rule, which vLLM repeats."""
    if height < CELL:
        height, width = CELL, round(width * CELL / height)
    if width < CELL:
        height, width = round(height * CELL / width), CELL
    rows, columns = round(height / CELL), round(width / CELL)
    if rows * columns * CELL**2 > most:
        shrink = math.sqrt(height * width / most)
        rows, columns = math.floor(height / shrink / CELL), math.floor(width / shrink / CELL)
    elif rows * columns * CELL**2 < least:
        grow = math.sqrt(least / (height * width))
        rows, columns = math.ceil(height * grow / CELL), math.ceil(width * grow / CELL)
    return rows * CELL, columns * CELL


def resized(image: Image.Image, height: int, width: int, *, by_torch: bool = False) -> np.ndarray:
    """The page's bytes (height, width, 3): bicubic, by Pillow, or as torchvision does it in vLLM."""
    image = image.convert("RGB")
    if not by_torch:
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    made = interpolate(pixels, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return made[0].permute(1, 2, 0).numpy()


def patches(pixels: np.ndarray, preprocessor: dict, *, fused: bool = False) -> torch.Tensor:
    """(patches, 3, 14, 14), row by row: rescaled and normalised, in one step (`fused`, torchvision's) or in two."""
    mean, std = (np.array(preprocessor[name], dtype=np.float32) for name in ("image_mean", "image_std"))
    factor = preprocessor["rescale_factor"]
    if fused:
        values = (pixels.astype(np.float32) - mean / np.float32(factor)) / (std / np.float32(factor))
    else:
        values = ((pixels * factor).astype(np.float32) - mean) / std
    rows, columns = pixels.shape[0] // PATCH, pixels.shape[1] // PATCH
    cut = [
        values[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH].transpose(2, 0, 1)
        for row in range(rows)
        for column in range(columns)
    ]
    return torch.from_numpy(np.stack(cut).astype(np.float32))


def position_ids(ids: list[int], image_token: int, rows: int, columns: int) -> torch.Tensor:
    """(3, tokens): time, row and column; cells count from where the image begins, text goes on past its larger side."""
    placed, now, cell = [], 0, 0
    for token in ids:
        if token == image_token:
            placed.append((now, now + cell // columns, now + cell % columns))
            cell += 1
            if cell == rows * columns:
                now += max(rows, columns)
        else:
            placed.append((now, now, now))
            now += 1
    return torch.tensor(placed).T


def turned(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotary positions on (heads, tokens, size): each value with the one half a head further on."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()], -1)


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, causal: bool) -> torch.Tensor:
    """(heads, tokens, size) to (tokens, heads · size)."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores + torch.full_like(scores, -math.inf).triu(1)
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)


class Published:
    """A model folder in the Hub's format."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.preprocessor = json.loads((folder / "preprocessor_config.json").read_text())
        stored = safetensors.torch.load_file(folder / "model.safetensors")
        self.weights = {name: tensor.float() for name, tensor in stored.items()}

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        made = x @ self.weights[f"{name}.weight"].T
        return made + self.weights[f"{name}.bias"] if f"{name}.bias" in self.weights else made

    def norm(self, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
        return layer_norm(x, x.shape[-1:], self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], eps)

    def root_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return x * (x.square().mean(-1, keepdim=True) + TEXT_EPS).rsqrt() * self.weights[f"{name}.weight"]

    def heads(self, name: str, x: torch.Tensor, count: int) -> torch.Tensor:
        return self.linear(name, x).unflatten(-1, (count, -1)).transpose(0, 1)

    def embedded(self, pixels: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """Patches and places, (patches, width): the square of learned places resampled without aligned corners."""
        name = "visual.vision_model.embeddings"
        kernel = self.weights[f"{name}.patch_embedding.weight"].flatten(1)
        made = pixels.flatten(1) @ kernel.T + self.weights[f"{name}.patch_embedding.bias"]
        places = self.weights[f"{name}.position_embedding.weight"]
        side = math.isqrt(len(places))
        square = places.T.unflatten(1, (side, side))[None]
        return made + interpolate(square, (rows, columns), mode="bilinear", align_corners=False)[0].flatten(1).T

    def vision_angles(self, rows: int, columns: int) -> torch.Tensor:
        """(patches, size / 2): a quarter of a head for the row, a quarter for the column."""
        vision = self.config["vision_config"]
        half = vision["hidden_size"] // vision["num_attention_heads"] // 2
        frequencies = VISION_THETA ** (-torch.arange(0, half, 2).float() / half)
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        return torch.cat([place.reshape(-1, 1) * frequencies for place in (row, column)], dim=-1)

    def seen(self, pixels: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """The vision tower's output, (patches, width)."""
        vision, x = self.config["vision_config"], self.embedded(pixels, rows, columns)
        angles, count = self.vision_angles(rows, columns), vision["num_attention_heads"]
        for layer in range(vision["num_hidden_layers"]):
            name = f"visual.vision_model.encoder.layers.{layer}"
            normed = self.norm(f"{name}.layer_norm1", x, VISION_EPS)
            q, k, v = (self.heads(f"{name}.self_attn.{part}_proj", normed, count) for part in "qkv")
            x = x + self.linear(
                f"{name}.self_attn.out_proj", attention(turned(q, angles), turned(k, angles), v, causal=False)
            )
            inner = self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.layer_norm2", x, VISION_EPS))
            x = x + self.linear(f"{name}.mlp.fc2", gelu(inner, approximate="tanh"))
        return self.norm("visual.vision_model.post_layernorm", x, VISION_EPS)

    def projected(self, seen: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """Four patches, two by two, become a visual token: (rows · columns / 4, width of the language model)."""
        normed = self.norm("mlp_AR.pre_norm", seen, PROJECTOR_EPS).unflatten(0, (rows, columns))
        cells = [
            normed[row : row + 2, column : column + 2].reshape(-1)
            for row in range(0, rows, 2)
            for column in range(0, columns, 2)
        ]
        return self.linear("mlp_AR.linear_2", gelu(self.linear("mlp_AR.linear_1", torch.stack(cells))))

    def text_angles(self, places: torch.Tensor) -> torch.Tensor:
        """(tokens, size / 2) from (3, tokens): frequencies in three sections, for time, row and column."""
        size, theta = self.config["head_dim"], self.config["rope_theta"]
        frequencies = theta ** (-torch.arange(0, size, 2).float() / size)
        axis = torch.arange(3).repeat_interleave(torch.tensor(self.config["rope_scaling"]["mrope_section"]))
        return places[axis].T.float() * frequencies

    def logits(self, ids: list[int], pixels: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """(tokens, vocabulary) of a prompt with one image of `rows` × `columns` patches."""
        config, image = self.config, self.config["image_token_id"]
        x = self.weights["model.embed_tokens.weight"][ids]
        x[torch.tensor(ids) == image] = self.projected(self.seen(pixels, rows, columns), rows, columns)
        angles = self.text_angles(position_ids(ids, image, rows // 2, columns // 2))
        many, few = config["num_attention_heads"], config["num_key_value_heads"]
        for layer in range(config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            normed = self.root_norm(f"{name}.input_layernorm", x)
            q = turned(self.heads(f"{name}.self_attn.q_proj", normed, many), angles)
            k = turned(self.heads(f"{name}.self_attn.k_proj", normed, few), angles).repeat_interleave(many // few, 0)
            v = self.heads(f"{name}.self_attn.v_proj", normed, few).repeat_interleave(many // few, 0)
            x = x + self.linear(f"{name}.self_attn.o_proj", attention(q, k, v, causal=True))
            normed = self.root_norm(f"{name}.post_attention_layernorm", x)
            gate = silu(self.linear(f"{name}.mlp.gate_proj", normed))
            x = x + self.linear(f"{name}.mlp.down_proj", gate * self.linear(f"{name}.mlp.up_proj", normed))
        return self.linear("lm_head", self.root_norm("model.norm", x))
