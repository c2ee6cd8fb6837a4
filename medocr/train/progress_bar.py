"""What is seen of a training while it runs: one bar, and no advice of libraries."""

import contextlib
import logging

from tqdm.auto import tqdm
from transformers import TrainerCallback


class Bar(TrainerCallback):
    """One progress bar over the optimizer steps, with the latest loss."""

    def on_train_begin(self, args, state, control, **_):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc="training", unit="step", leave=False)

    def on_step_end(self, args, state, control, **_):
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **_):
        shown = {name: f"{logs[name]:.3f}" for name in ("loss", "eval_loss") if name in (logs or {})}
        self.bar.set_postfix(shown, refresh=False)

    def on_train_end(self, args, state, control, **_):
        self.bar.close()


@contextlib.contextmanager
def quiet(*names: str):
    """Keep libraries' advice about arguments that are meant as they are out of the notebook."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
