"""`make bench`: the benchmarks that take minutes; `tests.bench.learning_rate` takes longer and needs a demo run."""

from tests.bench import (
    attacks,
    checkpoints,
    data,
    equivalence,
    faults,
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
    for bench in (
        checkpoints,
        data,
        equivalence,
        loader,
        metrics,
        transcribe,
        faults,
        attacks,
        kills,
        rerun,
        read,
        train,
        mutations,
        full_size,
    ):
        bench.main()
