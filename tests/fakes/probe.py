"""The real probe with a shorter patience, so that a test need not wait for 10 s."""

import os

from trunkline_server import probe

if __name__ == "__main__":
    probe.main(beat_limit_s=float(os.environ["PROBE_BEAT_LIMIT_S"]))
