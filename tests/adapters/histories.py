"""Messages of a history, as other providers leave them."""

USER = {"role": "user", "content": "hi"}


def call(given: str | None = "call_1", name: str = "add", arguments: object = "{}", **more) -> dict:
    return {"id": given, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def asked(*calls: dict, content: object = None, **more) -> dict:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def result(answers: str | None = "call_1", content: object = "3", **more) -> dict:
    return {"role": "tool", "tool_call_id": answers, "content": content, **more}


def ids(messages) -> tuple[list[str], list[str]]:
    made = [c["id"] for m in messages for c in m.get("tool_calls", ())]
    return made, [m["tool_call_id"] for m in messages if m["role"] == "tool"]


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
