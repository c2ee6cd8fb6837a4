"""One training by several processes, as `accelerate launch` starts them: each one's share, and who writes."""

import os
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed
from accelerate import PartialState

T = TypeVar("T")


def join(device: str) -> int:
    """Meet the other processes, if a launcher started several; returns how many there are.

    Sets this process's CUDA device as well, so that "cuda" is another card in each.
    """
    if int(os.environ.get("LOCAL_RANK", -1)) < 0:
        return 1
    return PartialState(cpu=device == "cpu" or not torch.cuda.is_available()).num_processes


def by_first(function: Callable[..., T], *arguments) -> T:
    """What `function` returns in the first process, given to all: only the first one writes files."""
    result = [function(*arguments) if rank() == 0 else None]
    if torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(result)
    return result[0]


def rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def share(batch_size: int, accumulation: int, processes: int) -> tuple[int, int]:
    """Batch size and accumulation of each process, so that an optimizer step sees the same pages in all.

    Raises ValueError when the pages of a step cannot be shared out in equal batches.
    """
    pages = batch_size * accumulation
    each = pages // processes
    batches = -(-each // batch_size)
    if pages % processes or each % max(1, batches):
        raise ValueError(
            f"{pages} pages per optimizer step ({batch_size} × {accumulation}) cannot be shared out among {processes} "
            "processes: give a batch_size × accumulation that is a multiple of their number"
        )
    return each // batches, batches
