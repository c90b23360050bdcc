"""A stand-in for the local model: listens on a port, and loads in no time."""

import asyncio
import sys

from trunkline_server.core import control


async def run(arguments: control.ChildArguments) -> None:
    channel = await control.Channel.open(arguments.control_fd)
    wanted = await channel.receive()
    assert isinstance(wanted, control.StartModel)
    if wanted.gguf:
        channel.send(control.Failed(why=f"{wanted.gguf} is not for a stand-in"))
        return
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    channel.send(control.Listening(port=server.sockets[0].getsockname()[1]))
    beat = asyncio.create_task(control.beat(channel))
    while await channel.receive():
        pass
    beat.cancel()
    control.exit_orphaned()


if __name__ == "__main__":
    asyncio.run(run(control.enter_child(sys.argv[1:])))
