"""Our exporter against its peers, side by side on one machine: CPU, memory and truth of times.

`python -m bench` prints the table and writes docs/performance.md.
"""
