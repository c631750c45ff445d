"""Conversations in OpenAI's shapes, and what of them is sent to Gemini."""

from __future__ import annotations

import copy
import json

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_gemini.wire import GeminiWire

NEW, OLD = "gemini-3.6-flash", "gemini-2.5-flash"


def body(*messages, model=NEW, **about):
    request = Request(list(messages), **about)
    before = copy.deepcopy(request.messages), copy.deepcopy(dict(request.params))
    made = json.loads(GeminiWire().encode(Model(model), request, stream=False))
    assert (request.messages, dict(request.params)) == before  # never rewritten in place
    return made


def user(content):
    return {"role": "user", "content": content}


def said(content, *calls):
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {})}


def call(ident="c1", name="add", arguments="{}", signature=None):
    made = {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {**made, "extra_content": {"google": {"thought_signature": signature}}} if signature else made


def result(content, ident="c1", **more):
    return {"role": "tool", "tool_call_id": ident, "content": content, **more}


def config(model=NEW, **params):
    return body(user("hi"), model=model, params=params).get("generationConfig")


def function(name="add", parameters=None, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}
