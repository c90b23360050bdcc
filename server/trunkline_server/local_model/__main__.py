"""The local model's process: loads one model, serves it to the workers of this machine, and ends with its supervisor.

Its API key comes over the control channel, so that it is in no argv and no environment.
"""

import asyncio
import sys

from trunkline_server.core import control
from trunkline_server.local_model import llama
from trunkline_server.local_model.weights import ModelUnavailable


async def _serve(arguments: control.ChildArguments) -> None:
    channel = await control.Channel.open(arguments.control_fd)
    wanted = await channel.receive()
    if not isinstance(wanted, control.StartModel):
        control.exit_orphaned()
    try:
        _server, port = await asyncio.to_thread(llama.serve, wanted)
    except ModelUnavailable as error:
        channel.send(control.Failed(why=str(error)))
        return
    channel.send(control.Listening(port=port))
    beat = asyncio.create_task(control.beat(channel))
    while await channel.receive():
        pass
    beat.cancel()
    control.exit_orphaned()


def main() -> None:
    """Entry of the child process."""
    asyncio.run(_serve(control.enter_child(sys.argv[1:])))


if __name__ == "__main__":
    main()
