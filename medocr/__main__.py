"""The command line: `python -m medocr run PROFILE` and `python -m medocr read MODEL PATH...`."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 1 a stage failed, 2 the request was wrong."""
    parser = argparse.ArgumentParser(prog="medocr", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the six notebooks with a profile's parameters")
    run.add_argument("profile", help="a name under notebooks/profiles, or the path of a TOML file; or a table of runs")
    run.add_argument("--from", dest="start", metavar="STAGE", help="run this stage and all after it anew, e.g. 03")
    run.add_argument("--only", metavar="STAGE", help="run this stage alone, e.g. 05; of a table, runs that begin so")
    run.add_argument("--force", action="store_true", help="run every stage anew, changed or not")
    run.add_argument("-p", dest="overrides", action="append", default=[], metavar="STAGE.PARAMETER=VALUE")
    run.add_argument("--jobs", type=int, default=1, metavar="N", help="of a table, so many runs side by side")
    run.add_argument("--out", type=Path, metavar="DIR", help="where data/ and results/ go (default: this repository)")
    run.add_argument("--name", metavar="NAME", help="call the run so, instead of like its profile")
    run.add_argument("--replace", action="store_true", help="let a run with -p replace results/ made without them")
    run.add_argument("--verify", action="store_true", help="hash all files of finished stages anew before using them")
    read = commands.add_parser("read", help="read images, PDFs and folders of them: one JSON line per page")
    read.add_argument("model", help="a model folder, a hub name, `tiny`, or `rapidocr`")
    read.add_argument("paths", nargs="+", metavar="PATH")
    read.add_argument("--out", type=Path, metavar="FILE", help="write the lines there instead of printing them")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen) if chosen.command == "run" else _read(chosen)
    except ValueError as error:
        print(f"medocr: {error}", file=sys.stderr)
        return 2


def _run(chosen) -> int:
    from . import run

    try:
        if run.is_table(chosen.profile):
            return _run_table(chosen)
        if chosen.jobs != 1:
            raise ValueError(f"--jobs is for a table of runs; {chosen.profile} is a profile of one")
        resolved = run.load_profile(chosen.profile, chosen.overrides, chosen.out or run.ROOT, chosen.name)
        run.execute(
            resolved,
            start=chosen.start,
            only=chosen.only,
            force=chosen.force,
            replace=chosen.replace,
            verify=chosen.verify,
        )
    except run.StageFailed as error:
        print(f"medocr: {error}", file=sys.stderr)
        return 1
    return 0


def _run_table(chosen) -> int:
    from .run import ROOT, experiments

    if chosen.start or chosen.jobs < 1:
        raise ValueError("a table of runs takes no --from, and --jobs of 1 or more")
    trials = experiments.load_table(chosen.profile, chosen.overrides, chosen.out or ROOT, chosen.name)
    whole = experiments.execute(trials, jobs=chosen.jobs, only=chosen.only, force=chosen.force)
    experiments.findings(trials)
    return int(not whole)


def _read(chosen) -> int:
    from . import read

    lines = read.lines(chosen.model, chosen.paths)
    return read.write(lines, chosen.out)


if __name__ == "__main__":
    sys.exit(main())
