"""`make bench`: the benchmarks that take minutes; `tests.bench.learning_rate` takes longer and needs a demo run."""

from tests.bench import (
    attacks,
    checkpoints,
    data,
    digitize,
    equivalence,
    faults,
    fields,
    full_size,
    kills,
    loader,
    metrics,
    mutations,
    read,
    rerun,
    train,
    transcribe,
)

if __name__ == "__main__":
    small = (checkpoints, data, fields, equivalence, loader, metrics, transcribe, faults, rerun, read, digitize)
    for bench in (*small, attacks, kills, train, mutations, full_size):
        bench.main()
