"""An MCP server over stdio that counts what it is asked, in a file, and misbehaves where it is asked to.

Plain Python, so that it starts in no time: `python odd_server.py LOG [cannot-start|silent|rubbish]`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

INTEGER = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
NOTHING = {"type": "object", "properties": {}}
TOOLS = {"add": INTEGER, "die": NOTHING, "die_late": NOTHING, "hang": NOTHING, "rubbish": NOTHING}
TOOLS |= {"complain": NOTHING, "break": NOTHING}


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], **more}


def main(log: Path, manner: str) -> None:
    def note(**what: Any) -> None:
        with log.open("a") as file:
            file.write(json.dumps(what | {"pid": os.getpid()}) + "\n")

    note(method="start")
    if manner == "cannot-start":
        sys.exit(1)
    for line in sys.stdin:
        if manner == "silent":
            continue
        if manner == "rubbish":
            sys.stdout.write("I am no server\n")
            sys.stdout.flush()
            continue
        message = json.loads(line)
        params = message.get("params", {})
        note(method=message["method"], name=params.get("name"), meta=params.get("_meta"))
        if "id" not in message:
            continue
        answer(message["id"], message["method"], params)


def answer(id: Any, method: str, params: dict[str, Any]) -> None:
    match method, params.get("name"):
        case "initialize", _:
            info = {"name": "odd", "version": "1"}
            result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
            send(id=id, result=result)
        case "tools/list", _:
            tools = [{"name": name, "description": name, "inputSchema": schema} for name, schema in TOOLS.items()]
            send(id=id, result={"tools": tools})
        case "ping", _:
            send(id=id, result={})
        case "tools/call", "add":
            send(id=id, result=text(str(params["arguments"]["x"] + 1)))
        case "tools/call", "die" | "die_late":
            os._exit(1)
        case "tools/call", "hang":
            time.sleep(1000)
        case "tools/call", "rubbish":
            sys.stdout.write("no JSON\n{}\n")
            send(id=id, result="nonsense")
        case "tools/call", "complain":
            send(id=id, result=text("there is no such order", isError=True))
        case "tools/call", "break":
            send(id=id, error={"code": -32603, "message": "something broke"})
        case _:
            send(id=id, error={"code": -32601, "message": f"no {method}"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
