"""Makes sure that every program is there: python -m programs [--path NAME] [--without NAME]."""

import argparse
import sys

from programs.errors import MissingProgramError
from programs.find import find, version
from programs.table import PROGRAMS


def main(arguments: list[str] | None = None) -> int:
    """Prints one line per program, or one path; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m programs", description=__doc__)
    parser.add_argument("--path", choices=sorted(PROGRAMS), help="print only where this one is")
    parser.add_argument(
        "--without", choices=sorted(PROGRAMS), help="leave out this one, which is not needed"
    )
    parsed = parser.parse_args(arguments)
    chosen = parsed.path
    try:
        if chosen:
            print(find(chosen))
        else:
            _show_all(parsed.without)
    except MissingProgramError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show_all(without: str | None) -> None:
    width = max(map(len, PROGRAMS))
    for name in PROGRAMS:
        if name == without:
            continue
        path = find(name)
        print(f"{name:{width}}  {version(path):10}  {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
