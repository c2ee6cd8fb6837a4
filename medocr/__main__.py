"""Fine-tune PaddleOCR-VL to read medical documents, and measure what that changed."""

import argparse
import errno
import importlib.metadata
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 it failed, 2 the request was wrong, 130 the user stopped it."""
    if sys.platform == "win32":
        print("medocr: Windows is not supported: use Linux, or WSL on Windows", file=sys.stderr)
        return 2
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.command(chosen)
    except ValueError as error:
        return _say(error, 2)
    except BrokenPipeError:  # `medocr read … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 141
    except OSError as error:
        return _say(_sentence(error), 1)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "stopped", 130)


def _say(message: object, status: int) -> int:
    print(f"medocr: {message}", file=sys.stderr)
    return status


def _sentence(error: OSError) -> str:
    """What the system refused, and what to do about it."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{where}: make room and run again; stages that are finished stay so"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"a file lies where a folder is needed{where}: move it away, or give --out another folder"
    if error.errno == errno.EISDIR:
        return f"a folder lies where a file is to be written{where}: give the path of a file"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"this user may not write or read here{where}: {error.strerror}; give --out another folder"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="medocr", description=__doc__)
    parser.add_argument("--version", action="version", version=f"medocr {_version()}", help="show it and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    named = (
        ("run", _add_run, _run),
        ("read", _add_read, _read),
        ("digitize", _add_digitize, _digitize),
        ("review", _add_review, _review),
        ("export", _add_export, _export),
        ("train", _add_train, _train),
    )
    for name, add, command in named:
        about = (command.__doc__ or "").splitlines()[0]
        subparser = commands.add_parser(name, help=about.partition(".")[0], description=about)
        subparser.set_defaults(command=command)
        add(subparser)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("medocr")
    except importlib.metadata.PackageNotFoundError:
        return "(a checkout that is not installed)"


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("profile", help="a profile's name (demo, smoke, l4, …) or the path of a TOML file of one's own")
    run.add_argument("--from", dest="start", metavar="STAGE", help="run this stage and all after it anew, e.g. 03")
    run.add_argument("--only", metavar="STAGE", help="run this stage alone, e.g. 05; of a table, runs that begin so")
    run.add_argument(
        "--force", action="store_true", help="run every stage anew, changed or not; of a table, runs of other commits"
    )
    run.add_argument(
        "-p",
        dest="overrides",
        action="append",
        default=[],
        metavar="STAGE.PARAMETER=VALUE",
        help="give a parameter another value, e.g. train.max_steps=20; may be given several times",
    )
    run.add_argument("--name", metavar="NAME", help="call the run so, instead of like its profile")
    run.add_argument("--replace", action="store_true", help="let a run with -p replace results/ made without them")
    run.add_argument("--verify", action="store_true", help="hash all files of finished stages anew before using them")
    run.add_argument("--jobs", type=int, default=1, metavar="N", help="of a table, so many runs side by side")
    run.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where data/ and results/ go (default: the repository, or the current folder)",
    )


def _run(chosen) -> int:
    """Run the notebooks with a profile's parameters. Stages that nothing has changed for are skipped."""
    from . import run

    try:
        if run.is_table(chosen.profile):
            return _run_table(chosen)
        if chosen.jobs != 1:
            raise ValueError(f"--jobs is for a table of runs; {chosen.profile} is a profile of one")
        resolved = run.load_profile(chosen.profile, chosen.overrides, chosen.out or run.ROOT, chosen.name)
        asked = {name: getattr(chosen, name) for name in ("start", "only", "force", "replace", "verify")}
        run.execute(resolved, **asked)
    except run.StageFailed as error:
        return _say(error, 1)
    return 0


def _run_table(chosen) -> int:
    from .findings import experiments
    from .run import ROOT

    if chosen.start or chosen.verify or chosen.jobs < 1:
        raise ValueError("a table of runs takes no --from and no --verify, and --jobs of 1 or more")
    trials = experiments.load_table(chosen.profile, chosen.overrides, chosen.out or ROOT, chosen.name)
    asked = {name: getattr(chosen, name) for name in ("jobs", "only", "force", "replace")}
    whole = experiments.execute(trials, **asked)
    experiments.findings(trials)
    return int(not whole)


def _add_read(read: argparse.ArgumentParser) -> None:
    read.add_argument("model", help="a model folder, a hub name, `tiny`, `rapidocr`, or rapidocr:LANGUAGE")
    read.add_argument("paths", nargs="+", metavar="PATH", help="an image, a PDF, or a folder of them")
    read.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the lines there as they come; started again it goes on after them",
    )
    read.add_argument("--jobs", type=int, default=1, metavar="N", help="so many processes read with rapidocr")
    read.epilog = (
        "Each line is a JSON object: schema, origin, page, pages, sha256, reader, hash, turn, dpi, text, lines (text, "
        "box, confidence), confidence, lowest, fields, finish and seconds; or schema, origin, reader, hash, error and "
        "detail. "
        "Exit status: 0 all pages read, 3 some refused, 1 none read, 2 wrong request."
    )


def _read(chosen) -> int:
    """Read images, PDFs and folders of them. One JSON line per page: text, lines, fields, confidence."""
    from . import read

    return read.read(chosen.model, chosen.paths, chosen.out, chosen.jobs)


def _add_digitize(digitize: argparse.ArgumentParser) -> None:
    digitize.add_argument(
        "model",
        help="a model folder, a hub name, `tiny`, `rapidocr`, rapidocr:LANGUAGE, or the http(s) address of a server; "
        "with +tesseract behind it, numbers are read twice, where Tesseract is installed",
    )
    digitize.add_argument("paths", nargs="+", metavar="PATH", help="an image, a PDF, or a folder of them")
    digitize.add_argument("--out", type=Path, required=True, metavar="DIR", help="where documents and Bundles go")
    together = "files whose paths this finds with the same (?P<document>…) are one document"
    digitize.add_argument("--together", default="", metavar="REGEX", help=f"{together} (default: each file is one)")
    digitize.add_argument("--jobs", type=int, default=1, metavar="N", help="so many processes read with rapidocr")
    digitize.add_argument("--transaction", action="store_true", help="Bundles that a FHIR server takes, once each")
    rule = digitize.add_mutually_exclusive_group()
    rule.add_argument("--rule", type=Path, metavar="FILE", help="thresholds for fields that need no person: rule.json")
    rule.add_argument("--checked", type=Path, metavar="DIR", help="take them from what persons reviewed in DIR")
    digitize.add_argument("--risk", type=float, help="wrong among passed, with --checked (default: 0.02)")
    ray = "N readers on the machines of a Ray cluster, each block of documents one file, DIR/blocks/<id>.zip"
    digitize.add_argument("--ray", type=int, default=0, metavar="N", help=ray)
    server = digitize.add_argument_group("for the address of a server")
    server.add_argument("--served-as", default="", metavar="NAME", help="the model's name there (default: the first)")
    server.add_argument("--may-receive", action="store_true", help="a server elsewhere may have the pages …")
    server.add_argument("--phi-agreement", action="store_true", help="… though they may hold health information")
    server.add_argument("--key-variable", default="", metavar="NAME", help="the environment variable with its key")
    digitize.epilog = (
        "DIR is for this user alone: documents/, bundles/, pages/, queue.jsonl, audit.jsonl. Exit status: 0 all pages "
        "read, 3 some refused, 1 none read, 2 wrong request. The same command goes on after what is done."
    )


def _digitize(chosen) -> int:
    """Digitise images and PDFs. Each document becomes a record, a FHIR Bundle and a queue of what to look at."""
    from . import digitize
    from .digitize import confidence

    server = {name: getattr(chosen, name) for name in ("may_receive", "phi_agreement", "key_variable")}
    server["model"] = chosen.served_as
    if chosen.risk is not None and not chosen.checked:
        raise ValueError("--risk is for thresholds that --checked DIR takes from reviewed fields: give that, too")
    if chosen.ray:
        return _digitize_on_ray(chosen, server)
    reader = digitize.open_reader(chosen.model, chosen.jobs, store=chosen.out / "answers.sqlite", **server)
    options = {"together": chosen.together, "transaction": chosen.transaction}
    if chosen.rule:
        options["rule"] = confidence.read_rule(chosen.rule)
    if chosen.checked:
        limit = {} if chosen.risk is None else {"risk": chosen.risk}
        options["rule"] = confidence.fit(*confidence.checked(chosen.checked), **limit)
    return digitize.run(reader, chosen.paths, chosen.out, **options)


def _digitize_on_ray(chosen, server: dict) -> int:
    import functools

    from .digitize import blocks, open_reader

    if chosen.jobs != 1 or chosen.transaction or chosen.rule or chosen.checked or chosen.ray < 1:
        raise ValueError("--ray takes a number of readers, and no --jobs, --transaction, --rule and --checked")
    opener = functools.partial(open_reader, chosen.model, store=chosen.out.resolve() / "answers.sqlite", **server)
    made = blocks.run(opener, chosen.paths, chosen.out, together=chosen.together, readers=chosen.ray)
    print(f"{made} documents digitised now: {chosen.out}/blocks", file=sys.stderr)
    return 0


def _add_review(review: argparse.ArgumentParser) -> None:
    review.add_argument("folder", type=Path, metavar="DIR", help="what digitize wrote")
    review.add_argument("--by", metavar="NAME", help="who decides (default: this user's name)")
    review.add_argument("--port", type=int, metavar="N", help="of the page (default: the first free from 7860 on)")
    studio = review.add_mutually_exclusive_group()
    studio.add_argument("--to-label-studio", type=Path, metavar="FILE", help="write tasks for Label Studio instead")
    studio.add_argument("--from-label-studio", type=Path, metavar="FILE", help="take over what was annotated there")


def _review(chosen) -> int:
    """Review what digitize was not sure of, in a browser. Every decision is saved at once, in DIR/reviews."""
    from .review import label_studio, page

    if chosen.to_label_studio:
        label_studio.export(chosen.folder, chosen.to_label_studio)
    elif chosen.from_label_studio:
        return label_studio.take_over(chosen.folder, chosen.from_label_studio)
    else:
        page.launch(chosen.folder, chosen.by, chosen.port)
    return 0


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("folder", type=Path, metavar="DIR", help="what digitize wrote, reviewed or not")
    export.add_argument("--transaction", action="store_true", help="Bundles that a FHIR server takes, once each")
    export.add_argument("--hl7", action="store_true", help="HL7 version 2.5 messages too (extra `digitize`)")


def _export(chosen) -> int:
    """Write the Bundles of digitised documents anew, with what persons decided. Settled values are final there."""
    from . import digitize

    return digitize.export(chosen.folder, transaction=chosen.transaction, hl7=chosen.hl7)


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument("folder", type=Path, metavar="FOLDER", help="a run's folder, data/<run>, in which 03 has run")
    train.add_argument(
        "options", nargs="*", metavar="PARAMETER=VALUE", help="a parameter of 04_train, e.g. max_steps=20"
    )


def _train(chosen) -> int:
    """Train a run's model alone, for `accelerate launch`. Notebook 04 takes the finished training over."""
    from .run.profile import parse_override
    from .train import several

    options = dict(parse_override(option, "PARAMETER") for option in chosen.options)
    several.train_folder(chosen.folder, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
