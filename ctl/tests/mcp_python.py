"""A client made with the official Python SDK (`mcp` on PyPI) against `aiosctl mcp`.

`ctl/tests/mcp.rs` runs it in a virtual environment, with the path of `aiosctl`, the configuration
file, and a node behind it that has the file /a and the tools of the tests' registry.
"""

import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters

AIOSCTL, CONFIG = sys.argv[1:]
SERVER = StdioServerParameters(command=AIOSCTL, args=["mcp"], env={"AIOSCTL_CONFIG": CONFIG})


async def listed(client):
    """All tools, page by page."""
    tools, cursor = {}, None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools |= {tool.name: tool for tool in page.tools}
        cursor = page.next_cursor
        if cursor is None:
            return tools


async def check(mode, version, path):
    """The whole way. The SDK holds each structured answer to the tool's output schema."""
    async with Client(SERVER, mode=mode) as client:
        assert client.protocol_version == version, client.protocol_version
        if mode != version:  # whoever pins the version asks the server nothing first
            assert client.server_info.name == "aiosctl", client.server_info
            assert "confirm_token" in client.instructions
        tools = await listed(client)
        assert len(tools) == 116, len(tools)
        assert tools["fs-read"].annotations.read_only_hint is True
        assert tools["fs-write"].annotations.destructive_hint is True

        read = await client.call_tool("fs-read", {"path": "/a"})
        assert not read.is_error and read.structured_content == {"content": "hello"}, read
        missing = await client.call_tool("fs-read", {"path": "/none"})
        assert missing.is_error and "no such file" in missing.content[0].text, missing

        arguments = {"path": path, "content": "from python"}
        shown = await client.call_tool("fs-write", arguments)
        assert shown.structured_content["state"] == "preview", shown
        arguments["confirm_token"] = shown.structured_content["confirm_token"]
        done = await client.call_tool("fs-write", arguments)
        assert done.structured_content["state"] == "done", done
        assert done.structured_content["output"] == {"size": 11}, done
        refused = await client.call_tool("fs-write", arguments | {"content": "other"})
        assert refused.is_error and refused.structured_content["state"] == "refused", refused

        shown = await client.call_tool("pkg-install", {"package": "nginx"})
        token = shown.structured_content["confirm_token"]
        waits = await client.call_tool("pkg-install", {"package": "nginx", "confirm_token": token})
        assert waits.structured_content["state"] == "waiting", waits
        assert "aiosctl approvals allow" in waits.content[0].text

        try:
            await client.call_tool("nope", {})
        except MCPError as error:
            assert "there is no tool" in str(error), error
        else:
            raise AssertionError("a tool that is not there was called")


async def main():
    await check("2026-07-28", "2026-07-28", "/pinned")
    await check("auto", "2026-07-28", "/auto")
    await check("legacy", "2025-11-25", "/legacy")


anyio.run(main)
