"""The clock that phases are measured by."""

from time import perf_counter

# Monotonic, in seconds.
now = perf_counter
