"""`make bench`: the benchmarks that take minutes; `tests.bench.learning_rate` takes longer and needs a demo run."""

from tests.bench import data, metrics, transcribe

if __name__ == "__main__":
    data.main()
    metrics.main()
    transcribe.main()
