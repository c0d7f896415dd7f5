"""Makes sure that every program is there: python -m programs [--path NAME] [--for-demo]."""

import argparse
import sys

from programs.errors import MissingProgramError
from programs.find import find, version
from programs.table import PROGRAMS


def main(arguments: list[str] | None = None) -> int:
    """Prints one line per program, or one path; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m programs", description=__doc__)
    parser.add_argument("--path", choices=sorted(PROGRAMS), help="print only where this one is")
    parser.add_argument("--for-demo", action="store_true", help="leave out what only tests need")
    parsed = parser.parse_args(arguments)
    chosen = parsed.path
    try:
        if chosen:
            print(find(chosen))
        else:
            _show_all(demo_alone=parsed.for_demo)
    except MissingProgramError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show_all(*, demo_alone: bool) -> None:
    width = max(map(len, PROGRAMS))
    for name, program in PROGRAMS.items():
        if not program.in_tests or (demo_alone and not program.in_demo):
            continue
        path = find(name)
        number = version(path, program.version_argument)
        print(f"{name:{width}}  {number:10}  {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
