"""The real local model, on a machine where xllamacpp is not installed."""

import sys

from trunkline_server.local_model.__main__ import main

if __name__ == "__main__":
    sys.modules["xllamacpp"] = None
    main()
