"""Does a drawn run again, as a failing test printed it: ``python tests/integration/fuzz/repeat.py "Draw(...)"``."""

import sys
import tempfile
from pathlib import Path

import fuzz_outcomes
from fuzz_models import Model
from fuzz_recipes import Draw

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root:
        print(fuzz_outcomes.check(eval(sys.argv[1], {"Draw": Draw, "Model": Model}), Path(root)))
