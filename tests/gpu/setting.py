"""What all parts share: the model and pages they work on, and where."""

import dataclasses
from pathlib import Path

from medocr import prepare
from tests import full_size, small_model


@dataclasses.dataclass(frozen=True)
class Setting:
    """`full` is the published size; `tiny`, two layers a tower, tries the parts out on a CPU. Weights are random."""

    size: str  # full or tiny
    device: str  # cuda or cpu
    work: Path  # for base, adapters and merged models

    @property
    def full(self) -> bool:
        return self.size == "full"

    @property
    def cells(self) -> tuple[int, int]:
        """Columns and rows of visual tokens: 1,280 at full size, the most that l4.toml lets through."""
        return (32, 40) if self.full else (4, 4)

    @property
    def visual_tokens(self) -> int:
        return self.cells[0] * self.cells[1]

    @property
    def answer_tokens(self) -> int:
        return 400 if self.full else 12

    @property
    def recipe(self) -> dict:
        """The published batch: 4 × 2 pages a step. LoRA's rank stays 64 at either size."""
        return {"batch_size": 4, "accumulation": 2, "max_steps": 8 if self.full else 2, "warmup": 0, "save_every": 100}

    @property
    def limits(self) -> dict:
        return {"min_pixels": full_size.CELL**2, "max_pixels": full_size.CELL**2 * self.visual_tokens}

    def pages(self, count: int, seed: int = 0) -> list[prepare.Sample]:
        return full_size.make_samples(count, *self.cells, self.answer_tokens, seed)

    def base(self) -> Path:
        """The base's folder, written on first use."""
        folder = self.work / "base"
        if not (folder / "model.safetensors").is_file():
            full_size.save_base(folder, device=self.device) if self.full else small_model.make_base(folder)
        return folder
