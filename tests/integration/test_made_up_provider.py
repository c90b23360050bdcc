"""A provider that speaks OpenAI's chat completions takes one row and one golden folder, and no other file."""

import subprocess
import sys
from pathlib import Path


def test_one_row_and_one_folder(tmp_path: Path) -> None:
    """With a row more, the configuration takes the provider, its folder is proven, and it serves a call."""
    command = (sys.executable, "-m", "tests.made_up_provider", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.returncode) == ("Cumulus.", 0), done.stderr
