"""Lets a torchvision that was built for CUDA be imported beside a torch that was not; on the path of the server alone.

PyPI's torchvision holds its operators in a library that wants CUDA's. Without it two of them are not declared, and the
import ends there, though nothing here calls them. Python imports a module of this name when it starts, in the
processes that vLLM starts as well.
"""

import importlib.metadata

import torch

if torch.version.cuda is None and "+cpu" not in importlib.metadata.version("torchvision"):
    OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
