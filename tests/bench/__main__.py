"""`make bench`: the benchmarks that take minutes; `tests.bench.learning_rate` takes longer and needs a demo run."""

from tests.bench import (
    checkpoints,
    data,
    equivalence,
    faults,
    full_size,
    loader,
    metrics,
    read,
    rerun,
    train,
    transcribe,
)

if __name__ == "__main__":
    for bench in (checkpoints, data, equivalence, loader, metrics, transcribe, faults, rerun, read, train, full_size):
        bench.main()
