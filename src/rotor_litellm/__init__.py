"""Rotor inside LiteLLM, by three doors to one engine; each is one line.

rotor_litellm.install(router)                                       a `litellm.Router` of your own
litellm_settings: {callbacks: ["rotor_litellm.proxy.handler"]}      the proxy
custom_provider_map: [{provider: rotor, custom_handler: rotor_litellm.provider.rotor}]      a model called rotor/...

Of the last: `provider` the door, `asked` what comes in, `answers` what goes out, `streams` the proxy's headers, `known` LiteLLM's prices.
"""

from rotor_litellm.strategy import RotorStrategy, install

__all__ = ["RotorStrategy", "install"]
