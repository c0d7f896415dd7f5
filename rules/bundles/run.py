"""Bundles, run by promtool: which generated test files are proved by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rules.bundles.blocks import Block, blocks
from rules.bundles.bundle import Bundle, bundles
from rules.bundles.needs import Need, Rules

# Whether promtool finds that all tests pass of some files in a directory.
Promtool = Callable[[Path, list[str]], bool]

# Of as many processes at once, so that none waits long for the other's last one.
_PARALLEL, _CALLS = 2, 8
# So many characters take as long to read as a rule to be evaluated.
_READ = 1000


def proved(
    tests: Mapping[str, str], rules: Mapping[str, str], promtool: Promtool, root: Path
) -> set[str]:
    """The paths of the test files of which every test passes.

    `tests` are texts by path, `rules` by the names that tests have for them. Works in `root`. What
    is not among the result has failed, or is no file that can be packed: promtool has to be asked
    about the file itself.
    """
    known = Rules.of(rules)
    found = {path: _needed(path, text, known) for path, text in tests.items()}
    packed = bundles(pair for pairs in found.values() for pair in pairs or ())
    root.mkdir(parents=True, exist_ok=True)
    names = {f"{number:04}.test.yml": bundle for number, bundle in enumerate(packed)}
    costs = {name: _written(root, name, bundle) for name, bundle in names.items()}
    with ThreadPoolExecutor(_PARALLEL) as pool:
        passing = pool.map(lambda share: _passing(promtool, root, share), _shares(costs))
        passed = {name for share in passing for name in share}
    failed = {
        block.path
        for name, bundle in names.items()
        if name not in passed
        for block, _ in bundle.blocks
    }
    return {path for path, pairs in found.items() if pairs is not None} - failed


def _needed(path: str, text: str, rules: Rules) -> list[tuple[Block, Need]] | None:
    found = blocks(path, text)
    try:
        needed = [(block, need) for block in found or () if (need := rules.need(block))]
    except ValueError:
        return None  # an expression that is no PromQL, which promtool has to tell
    return needed if found is not None and len(needed) == len(found) else None


def _passing(promtool: Promtool, root: Path, share: list[str]) -> list[str]:
    """Those of the names that pass: not every version of promtool says which have failed."""
    if promtool(root, share):
        return share
    return [name for name in share if promtool(root, [name])] if len(share) > 1 else []


def _written(root: Path, name: str, bundle: Bundle) -> int:
    """Write a bundle's files; what it costs promtool to read and to evaluate them."""
    rule_file = name.replace(".test.", ".rules.")
    rules, tests = bundle.texts(rule_file)
    (root / rule_file).write_text(rules, encoding="utf-8")
    (root / name).write_text(tests, encoding="utf-8")
    return bundle.cost + (len(rules) + len(tests)) // _READ


def _shares(costs: Mapping[str, int]) -> list[list[str]]:
    """The names in shares that cost about the same, what costs most first."""
    shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(_CALLS)]
    for name, cost in sorted(costs.items(), key=lambda item: -item[1]):
        least, share = min(shares, key=lambda one: one[0])
        shares.remove((least, share))
        shares.append((least + cost, [*share, name]))
    return [share for _, share in sorted(shares, reverse=True) if share]
