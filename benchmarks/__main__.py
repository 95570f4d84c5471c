"""`python -m benchmarks [--full] [NAME ...]`: run the benchmarks, each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys

USUAL = ("save", "unlock", "upload", "verify", "printing", "workbooks", "repaint", "start")


def main() -> int:
    """Run what was asked for; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="larger amounts, several minutes")
    parser.add_argument("names", nargs="*", choices=[*USUAL, []], help="which; all of them without a name")
    chosen = parser.parse_args()
    worst = 0
    for name in chosen.names or USUAL:
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--full"] if chosen.full else [])]
        worst |= subprocess.run(command, check=False).returncode
    return worst


if __name__ == "__main__":
    sys.exit(main())
