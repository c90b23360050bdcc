"""Fuzzes one target with atheris, guided by coverage: python -m tests.fuzz anthropic --seconds 3600

Prints what atheris prints, and the number of runs at the end; ends at the first failure, with the input that did it.
Without a name it prints the framings and a dialect of each class: near-twins share their decoders.
It needs `atheris` (requirements/fuzz.txt).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trunkline_server.providers"]):
    from tests.fuzz.targets import TARGETS, seeds
    from trunkline_server.providers.registry import ROWS

MAX_BYTES = 64 * 1024


def main() -> None:
    """Read the command line and fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.target is None:
        speakers = {row.speaker: name for name, row in reversed(ROWS.items()) if name in TARGETS}
        print("\n".join([name for name in TARGETS if name not in ROWS or name in speakers.values()]))
        return
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds(given.target)):
            (Path(corpus) / f"golden-{number}").write_bytes(data)
        flags = [f"-max_total_time={given.seconds}", f"-max_len={MAX_BYTES}", f"-seed={given.seed}"]
        flags += ["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *flags, corpus], TARGETS[given.target]())
        atheris.Fuzz()


if __name__ == "__main__":
    main()
