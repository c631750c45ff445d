"""Providers that speak OpenAI's chat completions, as data: where each is, where its key stands, and who speaks to it.

They come through the same door as a plugin's. One that needs a key is used when its key is in the environment or a
configuration names it. Servers on one's own machine need none, and are used only when a configuration names them:
nobody knows what they have loaded. Any base URL gives way to `NAME_BASE_URL`; one with a variable in braces needs it set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from rotor_core.hookspecs import ProviderSpec, hookimpl

_USUAL: Final = "rotor_core.adapters.openai_compatible:OpenAICompatible"
_OWN: Final = "rotor_core.adapters.preset_wires:"

_HOSTED: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "anthropic": (f"{_OWN}Anthropic", "https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",)),
    "cerebras": (f"{_OWN}Cerebras", "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",)),
    "cloudflare": (
        f"{_OWN}Cloudflare",
        "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1",
        ("CLOUDFLARE_API_TOKEN",),
    ),
    "deepseek": (f"{_OWN}DeepSeek", "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",)),
    "fireworks": (_USUAL, "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",)),
    "huggingface": (
        _USUAL,
        "https://router.huggingface.co/v1",
        ("HUGGINGFACE_API_KEY",),
    ),  # not HF_TOKEN: people set it to download models, and here it would spend money
    "nvidia": (_USUAL, "https://integrate.api.nvidia.com/v1", ("NVIDIA_API_KEY",)),
    "openrouter": (f"{_OWN}OpenRouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",)),
    "sambanova": (_USUAL, "https://api.sambanova.ai/v1", ("SAMBANOVA_API_KEY",)),
    "xai": (_USUAL, "https://api.x.ai/v1", ("XAI_API_KEY",)),
}
"""Adapter, base URL and names of the key. Addresses as their documentation had them in November 2026."""

_LOCAL: Final[Mapping[str, str]] = {
    "llamacpp": "http://localhost:8080/v1",
    "lmstudio": "http://localhost:1234/v1",
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
}
"""Where each listens unless it is told otherwise."""
_KEYLESS: Final[Mapping[str, Any]] = {"keys": []}

_GEMINI_COMPATIBLE: Final = ProviderSpec(
    "gemini-compatible",
    adapter=f"{_OWN}GeminiCompatible",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
)
"""For whoever needs Google's endpoint of this dialect; without models of its own, so that no key alone calls it up."""


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """The presets. Models and limits of the hosted ones stand in the packaged catalog."""
    data = files("rotor_core.catalog") / "data"
    hosted = [
        ProviderSpec(name, adapter=adapter, base_url=base_url, env=env, catalog=data / f"{name}.toml")
        for name, (adapter, base_url, env) in _HOSTED.items()
    ]
    local = [ProviderSpec(name, adapter=_USUAL, base_url=url, catalog=_KEYLESS) for name, url in _LOCAL.items()]
    return [*hosted, _GEMINI_COMPATIBLE, *local]
