"""`trunkline serve`: the gateway itself."""

import os
import sys
from pathlib import Path

import click

from trunkline_server import supervisor


@click.command("serve")
@click.option("--config", metavar="FILE", help="Model map. [TRUNKLINE_CONFIG; ./trunkline.yaml, else the built-in one]")
@click.option(
    "--listen",
    metavar="ADDRESS",
    multiple=True,
    help="host:port, or unix:/path (whose mode is TRUNKLINE_UNIX_SOCKET_MODE, 0600); repeat for more. "
    "[TRUNKLINE_LISTEN]",
)
@click.option("--probe-listen", metavar="ADDRESS", help='host:port of health probes, "" for none.')
@click.option("--workers", metavar="N", help='Worker processes, or "auto" for one per CPU. [TRUNKLINE_WORKERS]')
@click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR. [TRUNKLINE_LOG_LEVEL]")
@click.option("--log-json", is_flag=True, default=None, help="One JSON object per line of the log.")
@click.option(
    "--ready-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help='Written once the gateway serves: {"listen": [...], "probe": ..., "pid": ...}.',
)
def command(
    config: str | None,
    listen: tuple[str, ...],
    probe_listen: str | None,
    workers: str | None,
    log_level: str | None,
    log_json: bool | None,
    ready_file: Path | None,
) -> None:
    """Serve callers until SIGTERM or Ctrl-C; then let open calls end.

    Options win over the environment. SIGHUP reads the model map again, and so does a change of the file. A second
    Ctrl-C stops at once. Exit codes: 0 stopped, 1 could not start, 2 bad configuration.
    """
    chosen = {
        "CONFIG": config,
        "LISTEN": ",".join(listen) or None,
        "PROBE_LISTEN": probe_listen,
        "WORKERS": workers,
        "LOG_LEVEL": log_level,
        "LOG_JSON": "true" if log_json else None,
    }
    given = {f"TRUNKLINE_{name}": value for name, value in chosen.items() if value is not None}
    os.environ.update(given)  # so that children see the same settings
    options = {name: f"--{name.removeprefix('TRUNKLINE_').lower().replace('_', '-')}" for name in given}
    sys.exit(supervisor.serve(os.environ, options=options, ready_file=ready_file))
