"""`python -m trunkline_server`: the same as the command `trunkline`."""

from trunkline_server.cli import main

if __name__ == "__main__":
    main()
