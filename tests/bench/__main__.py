"""`make bench`: the benchmarks that take minutes; `tests.bench.learning_rate` takes longer and needs a demo run."""

from tests.bench import data, full_size, metrics, train

if __name__ == "__main__":
    data.main()
    metrics.main()
    train.main()
    full_size.main()
