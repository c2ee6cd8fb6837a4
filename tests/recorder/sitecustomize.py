"""On the path of a Python process: notes every address that it connects to, or looks up, in a file."""

import os
import sys


def note(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        with open(os.environ["MEDOCR_CONNECTIONS"], "a") as file:  # noqa: PTH123  nothing else is imported this early
            file.write(f"{address!r}\n")


if "MEDOCR_CONNECTIONS" in os.environ:
    sys.addaudithook(note)
