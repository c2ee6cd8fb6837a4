"""LoRA on the language model, the vision tower and the projector."""

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Linear as LoraLinear
from torch.nn.functional import linear
from transformers import PreTrainedModel

LANGUAGE = r"language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
VISION = r"visual\.vision_model\.encoder\.layers\.\d+\.(self_attn\.([qkv]|out)_proj|mlp\.fc[12])"
PROJECTOR = r"projector\.linear_[12]"
PARTS = {"language model": LANGUAGE, "vision tower": VISION, "projector": PROJECTOR}
TARGETS = rf".*({LANGUAGE}|{VISION}|{PROJECTOR})"  # the whole name of a module matches


def add_lora(
    model: PreTrainedModel, r: int = 64, alpha: int = 64, *, seed: int = 3407, gradient_checkpointing: bool = False
) -> PeftModel:
    """Attach LoRA of rank `r` to the modules of TARGETS and freeze everything else; returns the PEFT model.

    Raises ValueError when a part of the model has no such modules, and when the number of trainable weights is not
    the one that the shapes give: some loaders leave out the projector, or train everything without a word.
    """
    if missing := missing_parts(lora_modules(model)):
        raise ValueError(
            f"LoRA finds no module in the {' and the '.join(missing)} of this model: it was loaded under other names "
            "(another version of transformers or Unsloth?); use the versions in pyproject.toml"
        )
    expected = lora_weights(model, r)  # whatever loaded the model; counted before LoRA is attached
    if is_unsloth(model):
        peft_model = _add_by_unsloth(model, r, alpha, seed, gradient_checkpointing)
    else:
        torch.manual_seed(seed)
        config = LoraConfig(r=r, lora_alpha=alpha, lora_dropout=0.0, bias="none", target_modules=TARGETS)
        peft_model = get_peft_model(model, config)
        _leave_casts_to_autocast(peft_model)
    trainable = sum(p.numel() for p in peft_model.parameters() if p.requires_grad)
    if trainable != expected:
        raise ValueError(
            f"{trainable:,} weights are trainable but LoRA of rank {r} has {expected:,}: the adapter was not "
            "attached as asked (full fine-tuning left on, or modules missing from the targets)"
        )
    return peft_model


def _leave_casts_to_autocast(model: PeftModel) -> None:
    """Where autocast is on, spare PEFT's cast of inputs to the adapter's float32, which autocast takes back at once.

    bfloat16 and float16 become float32 and again themselves without loss, so outputs and gradients stay bit for bit.
    """
    for module in model.modules():
        if isinstance(module, LoraLinear):
            module._cast_input_dtype = functools.partial(_cast_without_autocast, module._cast_input_dtype)


def _cast_without_autocast(cast, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x if torch.is_autocast_enabled(x.device.type) else cast(x, dtype)


def missing_parts(modules: Iterable[str]) -> list[str]:
    """The parts of the model that none of these modules, by name, belongs to."""
    names = list(modules)
    return [part for part, pattern in PARTS.items() if not any(re.fullmatch(f".*{pattern}", name) for name in names)]


def _add_by_unsloth(model, r: int, alpha: int, seed: int, gradient_checkpointing: bool):
    from unsloth import FastVisionModel

    tuned = FastVisionModel.get_peft_model(
        model,
        r=r,
        lora_alpha=alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=TARGETS,
        use_gradient_checkpointing="unsloth" if gradient_checkpointing else False,
        random_state=seed,
    )
    return FastVisionModel.for_training(tuned)


def is_unsloth(model) -> bool:
    """Whether Unsloth loaded the model: it has to attach LoRA and switch modes by itself then."""
    return hasattr(model, "max_seq_length") and hasattr(model, "_saved_temp_tokenizer")


def lora_modules(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """The linear modules of a base model that LoRA goes to, by name."""
    return {name: module for name, module in model.named_modules() if re.fullmatch(TARGETS, name)}


def lora_weights(model: torch.nn.Module, r: int) -> int:
    """How many weights LoRA of rank `r` trains: r · (inputs + outputs) of each target (a model on "meta" will do)."""
    return sum(r * (m.in_features + m.out_features) for m in lora_modules(model).values())


@contextlib.contextmanager
def merged_forward(model: PeftModel, *, frozen: bool = False) -> Iterator[None]:
    """Within, adapted layers multiply by W + s·B·A at once instead of by W, A and B one after the other.

    The result is the same within rounding. In training it pays where the rank is not small beside the layer: three
    passes of r · (in + out) for every row against in · out for the gradient of the sum; other layers stay as they
    are. With `frozen`, for reading, the sum is formed once per layer and held as long as the adapter stays unchanged.
    """
    changed = [m for m in model.modules() if isinstance(m, LoraLinear) and (frozen or _pays(m))]
    before = [module.__dict__.get("forward") for module in changed]  # reading amid training: one within the other
    for module in changed:
        module.forward = _composed_forward(module, frozen)
    try:
        yield
    finally:
        for module, forward in zip(changed, before, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward


def _pays(module: LoraLinear) -> bool:
    r = module.r[module.active_adapters[0]]
    return 3 * r * (module.in_features + module.out_features) > module.in_features * module.out_features


def _composed_forward(module: LoraLinear, frozen: bool):
    name = module.active_adapters[0]
    base, a, b = module.base_layer, module.lora_A[name].weight, module.lora_B[name].weight

    def composed() -> torch.Tensor:
        return torch.addmm(base.weight, b, a, alpha=module.scaling[name])

    weight = functools.cache(composed) if frozen else composed

    def forward(x: torch.Tensor) -> torch.Tensor:
        return base(x) if module.disable_adapters else linear(x, weight(), base.bias)

    return forward
