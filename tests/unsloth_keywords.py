"""`python -m tests.unsloth_keywords`: every keyword that medocr passes to Unsloth, held against its functions.

Unsloth's public functions take `**kwargs`, which swallow a misspelt name without a word. What medocr passes comes from
its source; the named parameters are those of the functions that do the work. Run once in an environment with Unsloth
(UNSLOTH_ALLOW_CPU=1 where there is no GPU); the result is kept in results/gpu/unsloth_keywords.json.
"""

import ast
import importlib.metadata
import inspect
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "results/gpu/unsloth_keywords.json"
CLASS = "FastVisionModel"


def passed() -> dict[str, list[str]]:
    """Function → the keywords that any call in medocr/model gives it."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "medocr/model").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(f"{CLASS}."):
                assert all(keyword.arg for keyword in node.keywords), f"{path.name}: ** hides what is passed"
                found.setdefault(node.func.attr, set()).update(keyword.arg for keyword in node.keywords)
    return {name: sorted(keywords) for name, keywords in sorted(found.items())}


def named() -> dict[str, list[str]]:
    """Function → the parameters it names; `get_peft_model` of FastVisionModel only hands on to that of its base."""
    import unsloth  # noqa: F401  (before transformers)
    from unsloth import FastVisionModel
    from unsloth.models.vision import FastBaseModel

    found = {}
    for name in passed():
        function = getattr(FastVisionModel, name)
        if any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values()):
            assert name == "from_pretrained" or function is not getattr(FastBaseModel, name)
            function = function if name == "from_pretrained" else getattr(FastBaseModel, name)
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        found[name] = [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    return found


def optimizer() -> dict[str, list[str]]:
    """bitsandbytes' 8-bit AdamW as the trainer builds it: the keywords passed, and those that it names."""
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(output_dir="unused", optim="adamw_8bit", use_cpu=True, report_to="none")
    kind, keywords = Trainer.get_optimizer_cls_and_kwargs(arguments)
    return {
        "function": f"{kind.__module__}.{kind.__qualname__}",
        "passed": sorted(keywords),
        "named": list(inspect.signature(kind).parameters),
    }


def found() -> dict:
    """Everything, with the versions it holds for."""
    parameters = named()
    functions = {name: {"passed": keywords, "named": parameters[name]} for name, keywords in passed().items()}
    packages = ("unsloth", "unsloth_zoo", "bitsandbytes", "torch", "transformers", "peft", "trl")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"command": "python -m tests.unsloth_keywords", "functions": functions, "adamw_8bit": optimizer()} | {
        "versions": versions
    }


def unknown(report: dict) -> list[str]:
    """The keywords that no installed function names."""
    calls = {**report["functions"], "adamw_8bit": report["adamw_8bit"]}
    return [f"{name}({word}=…)" for name, call in calls.items() for word in call["passed"] if word not in call["named"]]


if __name__ == "__main__":
    from medocr import storage

    report = found()
    storage.write_json(OUT, {**report, "unknown": unknown(report)})
    print(OUT.read_text())
