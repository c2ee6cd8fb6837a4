"""Tests run side by side, one file to a process: each process then has one core for its arithmetic."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in whatever a test starts
