"""An assistant, by the official client of the Model Context Protocol: reads from standard input what to start, what to call and what its user
says when asked, and prints what came back."""

import asyncio
import json
import re
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import ElicitResult

TOKEN = re.compile(r'confirm: "([^"]+)"')


async def main():
    spec = json.load(sys.stdin)
    asked = []

    async def user(_context, params):
        asked.append(params.message)
        if spec["answer"] == "accept":
            return ElicitResult(action="accept", content={"confirm": True})
        if spec["answer"] == "unticked":
            return ElicitResult(action="accept", content={"confirm": False})
        return ElicitResult(action="decline")

    server = StdioServerParameters(command=spec["program"], args=spec["arguments"], env=spec["environment"])
    options = {"elicitation_callback": user} if spec["answer"] else {}
    async with Client(stdio_client(server), mode=spec["mode"], **options) as client:
        tools = (await client.list_tools()).tools
        results, token = [], ""
        for name, arguments in spec["calls"]:
            arguments = {key: token if value == "$TOKEN" else value for key, value in arguments.items()}
            try:
                result = await client.call_tool(name, arguments)
                texts = [block.text for block in result.content]
                found = TOKEN.search(texts[0])
                token = found.group(1) if found else token
                results.append({"isError": bool(result.is_error), "texts": texts})
            except Exception as error:
                results.append({"refused": str(error)})
        print(json.dumps({
            "protocol": client.protocol_version,
            "instructions": client.instructions,
            "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools],
            "results": results,
            "asked": asked,
        }))


asyncio.run(main())
