"""The presets: all there, reachable as data, and what the few that differ send."""

import json

import pytest

from rotor_core import presets
from rotor_core._model import Model, Secret
from rotor_core._policy.headers import told_by_headers
from rotor_core._request import Request
from rotor_core.adapters import preset_wires as wires
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.wire import WireError
from rotor_core.catalog.load import load
from rotor_core.plugins import installed, resolve

USER = {"role": "user", "content": "hi"}
HOSTED = set("openrouter cerebras deepseek xai anthropic fireworks nvidia huggingface cloudflare sambanova".split())
LOCAL = set("ollama vllm lmstudio llamacpp".split())
SPECS = {spec.name: spec for spec in presets.rotor_providers()}


def sent(wire, messages=(USER,), model="m", **params):
    return json.loads(wire.encode(Model(model), Request(messages, params=params), stream=False))


def calling(**more):
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}, **more}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def test_they_come_through_the_door_of_every_plugin():
    offered = installed().providers
    assert set(SPECS) == HOSTED | LOCAL | {"gemini-compatible"}
    assert all(offered[name].base_url == spec.base_url for name, spec in SPECS.items())


@pytest.mark.parametrize("name", sorted(SPECS))
def test_each_has_an_adapter_that_can_be_made(name):
    adapter = resolve(SPECS[name].adapter)()
    assert isinstance(adapter, HttpAdapter)
    adapter.close()


@pytest.mark.parametrize("name", sorted(HOSTED))
def test_a_hosted_one_needs_a_key_under_its_usual_name(name):
    assert SPECS[name].env
    assert SPECS[name].base_url.startswith("https://")


def deployments(document, environ):
    everything = {"openai-compatible": installed().providers["openai-compatible"], **SPECS}
    return load(
        document, environ=environ, specs=everything, rankings=set(installed().rankings), schemes={"memory"}
    ).deployments.values()


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_a_local_one_needs_no_key_and_is_used_only_when_it_is_named(name):
    section = {"models": {"m": {}}}
    named = {"providers": {name: section}, "pools": {"p": [f"{name}/m"]}}
    (deployment,) = deployments(named, {})
    assert not deployment.credential.secret
    assert deployment.provider.base_url == SPECS[name].base_url
    other = {"providers": {"x": {"adapter": name, "base_url": "http://x.test/v1", **section}}, "pools": {"p": ["x/m"]}}
    assert {d.provider.name for d in deployments(other, {"X_API_KEY": "k"})} == {"x"}


# ---- those that differ


def test_anthropics_ids_are_strict_and_its_models_are_not_asked_for():
    history = [calling(id="functions.add:0"), {"role": "tool", "tool_call_id": "functions.add:0", "content": "3"}]
    asked, answered = sent(wires.AnthropicWire(), history)["messages"]
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"]
    assert asked["tool_calls"][0]["id"].replace("_", "").isalnum()
    assert wires.AnthropicWire().models_url("https://x.test/v1") is None
    assert wires.AnthropicWire().headers(Secret("k-12345")) == {"Authorization": "Bearer k-12345"}


def test_anthropics_headers_are_understood():
    headers = {
        "date": "Fri, 20 Nov 2026 10:00:00 GMT",
        **{f"anthropic-ratelimit-{unit}-limit": "50" for unit in ("requests", "input-tokens", "output-tokens")},
        **{f"anthropic-ratelimit-{unit}-remaining": "49" for unit in ("requests", "input-tokens", "output-tokens")},
        **{
            f"anthropic-ratelimit-{unit}-reset": "2026-11-20T10:00:02Z"
            for unit in ("requests", "input-tokens", "output-tokens")
        },
    }
    told, odd = told_by_headers("anthropic", headers)
    assert odd == ()
    assert {(one.unit, one.per, one.limit, one.remaining, one.resets_in) for one in told} == {
        (unit, "minute", 50, 49, 2) for unit in ("requests", "input_tokens", "output_tokens")
    }


def test_cerebras_is_told_what_to_reserve_by_the_new_name():
    assert sent(wires.CerebrasWire(), max_tokens=5)["max_completion_tokens"] == 5
    assert "max_tokens" not in sent(wires.CerebrasWire(), max_tokens=5)


def test_cloudflares_answers_are_not_cut_short():
    assert sent(wires.CloudflareWire())["max_tokens"] == 4096
    assert sent(wires.CloudflareWire(), max_completion_tokens=9)["max_tokens"] == 9
    body = wires.CloudflareWire().encode(Model("m", max_output=1000), Request([USER]), stream=False)
    assert json.loads(body)["max_tokens"] == 1000


def test_cloudflares_models_are_listed_by_its_own_api():
    wire = wires.CloudflareWire()
    assert wire.models_url("https://x.test/accounts/a/ai/v1") == "https://x.test/accounts/a/ai/models/search"
    listed = [
        {
            "name": "@cf/a/b",
            "task": {"name": "Text Generation"},
            "properties": [{"property_id": "context_window", "value": "24000"}],
        },
        {"name": "@cf/a/c", "task": {"name": "Text-to-Image"}},
        {"name": "@cf/a/d", "task": {"name": "Text Generation"}, "properties": []},
    ]
    models = wire.models(json.dumps({"success": True, "result": listed}).encode())
    assert [(m.name, m.context) for m in models] == [("@cf/a/b", 24000), ("@cf/a/d", None)]
    with pytest.raises(WireError):
        wire.models(b'{"success": false}')


def test_deepseek_gets_the_thoughts_of_messages_that_called_tools_or_an_empty_text_for_them():
    history = [calling(), {**calling(), "reasoning_content": "hm"}, {"role": "assistant", "content": "x"}]
    first, second, third = sent(wires.DeepSeekWire(), history, max_completion_tokens=4)["messages"]
    assert (first["reasoning_content"], second["reasoning_content"]) == ("", "hm")
    assert third == {"role": "assistant", "content": "x"}


def test_gemini_gets_its_signatures_back_and_a_stand_in_for_those_of_others():
    signature = {"google": {"thought_signature": "s"}}
    mine, others = sent(wires.GeminiCompatibleWire(), [calling(extra_content=signature), calling(id="call_2")])[
        "messages"
    ]
    assert mine["tool_calls"][0]["extra_content"] == signature
    assert others["tool_calls"][0]["extra_content"]["google"]["thought_signature"] == "skip_thought_signature_validator"


def test_openrouter_gets_what_its_upstreams_want_back():
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    history = [{"role": "user", "content": [part]}, {"role": "assistant", "content": "x", "reasoning_details": details}]
    assert sent(wires.OpenRouterWire(), history)["messages"] == history


def test_openrouters_models_say_what_they_cost_and_can_do():
    listed = [
        {
            "id": "a/b:free",
            "context_length": 262144,
            "top_provider": {"max_completion_tokens": 32768},
            "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
            "supported_parameters": ["tools", "structured_outputs", "temperature"],
            "architecture": {"input_modalities": ["text", "image"]},
            "expiration_date": "2026-12-24",
        },
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
    ]
    one, router = wires.OpenRouterWire().models(json.dumps({"data": listed}).encode())
    assert (one.context, one.max_output, one.input_price, one.output_price) == (262144, 32768, 0.15, 0.6)
    assert (one.capabilities, one.retired) == ({"tools", "json_schema", "vision"}, "2026-12-24")
    assert (router.input_price, router.capabilities, router.retired) == (None, None, None)


# ---- by a key alone


@pytest.mark.parametrize("name", sorted(HOSTED))
def test_a_hosted_one_is_used_as_soon_as_its_key_is_there(name):
    environ = {SPECS[name].env[0]: "key-of-nobody", "CLOUDFLARE_ACCOUNT_ID": "acc"}
    found = list(deployments({}, environ))
    assert {d.provider.name for d in found} == {name}
    assert all("{" not in d.provider.base_url for d in found)


def test_cloudflare_is_not_used_without_the_account_that_its_address_names():
    local = {"providers": {"vllm": {"models": {"m": {}}}}}
    found = deployments(local, {"CLOUDFLARE_API_TOKEN": "key-of-nobody"})
    assert {d.provider.name for d in found} == {"vllm"}


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_a_local_one_is_where_the_environment_says(name):
    found = deployments(
        {"providers": {name: {"models": {"m": {}}}}}, {f"{name.upper()}_BASE_URL": "http://10.0.0.9:1/v1"}
    )
    assert [d.provider.base_url for d in found] == ["http://10.0.0.9:1/v1"]
