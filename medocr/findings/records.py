"""One line on each benchmark's record, for the index `results/README.md`."""

import json
from collections.abc import Callable
from pathlib import Path


def line(path: Path, results: Path) -> str:
    """A list item: the file, linked, and what it found."""
    name = str(path.relative_to(results))
    finding = TELL.get(name, _part)(json.loads(path.read_text()))
    return f"- [{name}]({name}){': ' * bool(finding)}{finding}"


def _part(record: dict) -> str:
    """What is told of a record that nothing here knows: of a part of the GPU's evidence its name, else nothing."""
    return f"`{record['part']}`, {record.get('card', 'no card')}" if "part" in record else ""


def _checkpoints(record: dict) -> str:
    kills, same = record["kills"], record["same_adapter"]
    saving = sum(bool(kill["while_writing"]) for kill in kills)
    return (
        f"a training killed {len(kills)} times, {saving} of them amid a save, ended {same} times with the adapter of "
        "the run left alone"
    )


def _data(record: dict) -> str:
    drawn = record["draw"][-1]["pages_per_second"] / record["draw"][0]["pages_per_second"]
    read = record["transcribe"][-1]
    return f"{read['processes']} processes read {read['speed_up']:.2f} and draw {drawn:.2f} times as fast as one"


def _digitize(record: dict) -> str:
    lab, kills, sets = record["lab_report"], record["kills"], record.get("documents", ())
    told = [
        f"{round(lab['recall'] * lab['known'])} of {lab['rows']} rows of a drawn lab report are right in its Bundle",
        f"a command killed {kills['kills']} times left {kills['documents']} of {kills['pages']} documents, each once",
    ]
    told += [
        f"{row['bundles'] - len(row['unsound'])} of {row['documents']} {row['set']} give a sound Bundle" for row in sets
    ]
    every = next((row for row in record.get("risk", {}).get("held_out", ()) if row["kind"] == "all"), None)
    if every:
        told.append(f"{every['share']:.0%} of RapidOCR's fields pass without a person, {every['wrong']} of them wrong")
    return "; ".join(told)


def _faults(record: dict) -> str:
    killed = max(record["rows"], key=lambda row: row["kills"])
    return (
        f"{record['pages']:,} pages through faulty servers, killed {killed['kills']} times: {killed['paid_twice']} of "
        f"{killed['answers']:,} answers paid for twice"
    )


def _loop(record: dict) -> str:
    """Whether a person's time pays more on the least sure pages than on pages drawn by chance."""
    of = {(row["from"], row["to"]): row for row in record["rows"] if (row["pages"], row["metric"]) == ("all", "cer")}
    choice = of["chance", "least_sure"]
    low, high = (f"{choice[end]:+.4f}".replace("-", "−") for end in ("low", "high"))
    return (
        f"tuned on {record['reviewed']} reviewed pages, CER on {choice['n']} unseen ones goes from "
        f"{of['base', 'chance']['base']:.3f} to {choice['tuned']:.3f} with the least sure pages and to "
        f"{choice['base']:.3f} with pages by chance: difference [{low}, {high}], means of {len(record['seeds'])} seeds"
    )


def _memory(record: dict) -> str:
    """Counted peaks of a training step with 8-bit AdamW, beside those that a card measured."""
    counts = {
        (row["trained"], row["checkpointing"]): row["total"] for row in record["rows"] if "8-bit" in row["optimizer"]
    }
    measured = record["measured_on_a_card_gb"]
    told = [
        f"{trained} {counts[trained, True]:.1f} GB with checkpointing ({measured[trained]:.1f} measured on a card), "
        f"{counts[trained, False]:.1f} without"
        for trained in measured
    ]
    return f"a training step at full size, counted without a card: {'; '.join(told)}"


def _equivalence(record: dict) -> str:
    rows = {row["step"]: row for row in record["rows"]}
    steps = [row for row in record["rows"] if "difference" in row]
    equal = sum(row["verdict"]["published"] == "equal within rounding" for row in steps)
    pixels = sorted(record["resizing_by_page"])
    return (
        f"{equal} of {len(steps)} steps from pixels to logits are those of the publishers' code; vLLM's resizing "
        f"differs by up to {pixels[-2]:.0f} of 255, on a strip {pixels[-1]:.0f}, and moves random logits by "
        f"{rows['logits, from the page']['deviations']['vllm']:.3f} standard deviations"
    )


def _loader(record: dict) -> str:
    sizes, shared = record["bytes"]["batch"], record["bytes"]["shared_memory"]["before"]
    return (
        f"a batch of four full-size pages holds {sizes['now'] / 1e6:.0f} MB instead of {sizes['before'] / 1e6:.0f}, "
        f"none in shared memory ({shared / 1e6:.0f} before); an epoch after the first is fed "
        f"{min(record['epochs_ratio'][1:]):.0f} times as fast or more"
    )


def _attacks(record: dict) -> str:
    untried = record["attacks"] - record["tried"]
    return f"{record['survived']} of {record['tried']} attacks came to nothing, {untried or 'none'} not tried"


def _kills(record: dict) -> str:
    run = record["run"]
    same = all(run["same_bytes"].values()) and run["same_scores"]
    return f"a run killed {len(run['kills'])} times ended {'as' if same else 'otherwise than'} the one left alone"


def _mutations(record: dict) -> str:
    return f"{record['killed']} of {record['mutations']} faults put into the code are seen by its tests"


def _full_size(record: dict) -> str:
    millions, seconds = record["build"]["weights"] / 1e6, record["train"]["seconds_per_step"]
    gate = "passed" if record["parity"]["passed"] else "failed"
    return (
        f"{millions:,.1f} M random weights on a CPU: a step in {seconds:.0f} s, merged, parity {gate}, at most "
        f"{record['largest_peak_memory_gb']} GB"
    )


def _learning_rate(record: dict) -> str:
    best = min(record["rows"], key=lambda row: row["medical_cer"])
    return (
        f"after {record['steps']} steps medical pages are read best at {best['learning_rate']:g} (CER "
        f"{best['medical_cer']:.3f}), general ones with {best['general_cer']:.4f} against the base's "
        f"{record['rows'][0]['general_cer']:.4f}"
    )


def _metrics(record: dict) -> str:
    drawn, full = (record[kind]["pages_per_second"] for kind in ("drawn", "full"))
    return f"scores {drawn:.0f} drawn pages a second, {full:.0f} full ones"


def _fields(record: dict) -> str:
    texts, drawn = record["first_readings"]["held_out_3"], record["drawn"]["lab_report"]["test_row_f1"]
    return (
        f"on perfect text, {texts['texts']} texts not seen before: {texts['columns_right']:.1%} of columns right, "
        f"{texts['rows_whole']:.1%} of rows whole, {texts['rows_invented']} invented; drawn lab reports {drawn:.3f}; "
        f"{record['speed']['pages_read_per_second']:.0f} full pages read a second"
    )


def _rerun(record: dict) -> str:
    row = record["rows"][-1]
    return f"labelling {row['pages']:,} pages again asks for {row['asked']} and takes {row['seconds']:.0f} s"


def _precision(record: dict) -> str:
    cer = record["cer"]
    about = f"{record['steps']} steps, {record['seeds']} seeds, {record['pages']} pages"
    low, high = (f"{cer[end]:+.4f}".replace("-", "−") for end in ("low", "high"))
    return f"CER {cer['float32']:.4f} in float32 and {cer['bfloat16']:.4f} in bfloat16 [{low}, {high}] ({about})"


def _train(record: dict) -> str:
    measured = {"float32": record, "bfloat16": record["bfloat16"]}
    times = [
        f"{figures['plain_over_ours']:.2f} times as long in {precision} "
        f"({figures['plain_over_ours_cpu']:.2f} by CPU seconds)"
        for precision, figures in measured.items()
        if figures  # not every CPU has bfloat16
    ]
    return (
        f"a step of plain TRL and PEFT takes {' and '.join(times)}; pages are read "
        f"{record['reading_batched_over_one_by_one']:.1f} times as fast in batches"
    )


def _transcribe(record: dict) -> str:
    rows = {row["client"]: row for row in record["rows"] if row["limits"] == "off"}
    ours, plain = rows["medocr"], rows["gather"]
    return (
        f"{ours['speed_up']:.0f} times as fast with {ours['most_in_flight']} requests in flight as with one "
        f"(a bare `asyncio.gather`: {plain['speed_up']:.0f}), {ours['cpu_ms_per_page']:.1f} ms of CPU a page"
    )


def _l4(record: dict) -> str:
    computed = record["computed"]
    minutes = computed["minutes_at_share_of_peak"]["40%"]
    return (
        f"by arithmetic, not measured: an L4 needs {computed['memory_gb_total']:.1f} GB, and {minutes:.0f} minutes at "
        "40 % of its peak"
    )


def _keywords(record: dict) -> str:
    return f"{len(record['unknown']) or 'no'} keyword that medocr passes to Unsloth is unknown to it"


def _step(record: dict) -> str:
    whole, cast, lora = (record["rows"][name] for name in ("all weights", "LoRA, inputs cast to float32", "LoRA"))
    return (
        f"by its operators LoRA's step is {cast['all']['s'] / whole['all']['s']:.2f} times as long as all weights', on "
        f"an H100 {cast['measured_s'] / whole['measured_s']:.2f} times; without PEFT's casts "
        f"{lora['all']['s'] / cast['all']['s']:.2f} of that"
    )


def _serve(record: dict) -> str:
    same, resized = (record[kind]["largest_logprob_difference"] for kind in ("unchanged", "resized"))
    return (
        f"vLLM on a CPU gives the tokens of medocr's own reading, log-probabilities at most {same:.1g} apart, on pages "
        f"that are resized {resized:.1g}"
    )


def _gguf(record: dict) -> str:
    return f"llama.cpp reads {record['same_text']} of {record['pages']} pages as medocr does"


def _unsloth(record: dict) -> str:
    return (
        f"Unsloth's path on a CPU, CUDA faked: losses of the steps at most {record['step_losses_apart']:.1g} from "
        f"transformers', gradients {record['gradients_apart']:.1g}"
    )


def _scale(record: dict) -> str:
    """What a cluster lost, and how time and memory grow with the pages."""
    of, few, many = record["cluster"], record["growth"][0], record["growth"][-1]
    once = of["pages_written"] == of["pages"] and not of["written_twice"]
    time, memory = record["growth_of_time_per_page"], record["growth_of_memory"]
    grown = "memory was not told apart" if memory is None else f"memory × {memory:.2f}"
    return (
        f"with a node and the driver killed, {of['pages']:,} pages were written {'once each' if once else 'wrongly'}, "
        f"{of['read_again']} of them read again; from {few['pages']:,} to {many['pages']:,} pages CPU time per page × "
        f"{time:.2f}, {grown}, by a reader that takes no time"
    )


TELL: dict[str, Callable[[dict], str]] = {
    "bench/attacks.json": _attacks,
    "bench/checkpoints.json": _checkpoints,
    "bench/data.json": _data,
    "bench/faults.json": _faults,
    "bench/digitize.json": _digitize,
    "bench/fields.json": _fields,
    "bench/equivalence.json": _equivalence,
    "bench/loader.json": _loader,
    "bench/full_size.json": _full_size,
    "bench/kills.json": _kills,
    "bench/learning_rate.json": _learning_rate,
    "bench/metrics.json": _metrics,
    "bench/loop.json": _loop,
    "bench/memory.json": _memory,
    "bench/mutations.json": _mutations,
    "bench/precision.json": _precision,
    "bench/rerun.json": _rerun,
    "bench/gguf.json": _gguf,
    "bench/scale.json": _scale,
    "bench/serve.json": _serve,
    "bench/step.json": _step,
    "bench/train.json": _train,
    "bench/transcribe.json": _transcribe,
    "bench/unsloth.json": _unsloth,
    "gpu/l4.json": _l4,
    "gpu/unsloth_keywords.json": _keywords,
}
