"""A notebook executed by papermill: in a private kernel, with what it writes on the way kept from others."""

import contextlib
import hashlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from traitlets.config import Config

from .. import storage, workspace
from .results import tidy

ERROR_LINES = 12  # of a failed cell's message; the partial notebook has all of it

# glibc gives freed memory back to the system after every training step and asks for it again in the
# next; it reads these before Python starts, so the runner sets them for the kernels.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


class StageFailed(RuntimeError):
    """A notebook stopped with an error: the message names the cell's error and the partial notebook."""


def execute_at(notebook: Path, target: Path, parameters: dict, out: Path) -> None:
    """Execute a notebook into `target`, tidied; `out` is where data/ and results/ lie. Raises StageFailed."""
    import papermill

    for name in ("papermill", "asyncio"):  # what they log of a kernel's end comes as an exception, too
        logging.getLogger(name).setLevel(logging.CRITICAL)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.ipynb")
    try:
        with _scratch(target) as scratch, storage.environment(_for_kernels(scratch)):
            papermill.execute_notebook(
                notebook,
                partial,
                parameters=parameters,
                cwd=notebook.parent,
                kernel_name="python3",
                progress_bar=False,
                config=_config(scratch),
                stderr_file=sys.stderr if sys.stderr.isatty() else None,
            )
    except papermill.PapermillExecutionError as error:
        clean = re.sub(r"\x1b\[[0-9;]*m", "", f"{error.ename}: {error.evalue}")
        clean = "\n".join(clean.splitlines()[:ERROR_LINES])
        where = f"{notebook.stem}, cell {error.exec_count}"
        raise StageFailed(f"{where}: {clean}\nthe notebook so far: {partial}") from None
    except (RuntimeError, OSError) as error:  # the kernel died, or never came up
        raise StageFailed(f"{notebook.stem}: {type(error).__name__}: {error}") from error
    tidy(partial, os.path.relpath(out, notebook.parent))
    partial.replace(target)


def _for_kernels(scratch: Path) -> dict[str, str]:
    """The environment of a kernel, beside what the user has set for the allocator."""
    allocator = {name: value for name, value in ALLOCATOR.items() if name not in os.environ}
    return {**allocator, workspace.HEADLESS: "1", "TMPDIR": str(scratch)}


def _config(scratch: Path) -> Config:
    """Sockets, and the file with their key, in a folder of this user's: no port that others could listen on.

    A kernel that is stopped keeps to itself what it was at: whoever stopped it knows.
    """
    connection = {"transport": "ipc", "ip": f"{scratch}/kernel", "connection_file": f"{scratch}/kernel.json"}
    return Config(KernelManager=connection, NotebookClient={"extra_arguments": ["--log-level=CRITICAL"]})


@contextlib.contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder of this user's for a kernel's sockets and temporary files, which may hold pages.

    It is called after the notebook that is made, so that what a killed run left in it goes at the next start.
    """
    name = hashlib.sha256(f"{os.getuid()} {target}".encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), f"medocr-{name}")  # short: a socket's path has 107 characters at most
    storage.remove(folder, folder.parent)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        storage.remove(folder, folder.parent)
