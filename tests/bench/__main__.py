"""`make bench`: the benchmarks that take minutes; `tests.bench.learning_rate` takes longer and needs a demo run."""

from tests.bench import checkpoints, data, metrics

if __name__ == "__main__":
    checkpoints.main()
    data.main()
    metrics.main()
