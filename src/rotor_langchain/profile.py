"""What a pool can do, in LangChain's words. A request goes only where it fits, so the pool can what its best member can."""

from __future__ import annotations

from collections.abc import Iterable

from langchain_core.language_models.model_profile import ModelProfile

from rotor_core._model import Deployment


def profile_of(deployments: Iterable[Deployment]) -> ModelProfile:
    """The profile of whoever may answer. What no candidate states is left out, not denied."""
    models = {id(d.model): d.model for d in deployments}.values()
    profile = ModelProfile()
    contexts = [m.context for m in models if m.context is not None]
    if contexts:
        profile["max_input_tokens"] = max(contexts)
    outputs = [m.max_output for m in models if m.max_output is not None]
    if outputs:
        profile["max_output_tokens"] = max(outputs)
    stated = [m.capabilities for m in models if m.capabilities is not None]
    can = frozenset[str]().union(*stated)
    profile["text_inputs"] = profile["text_outputs"] = True
    if stated:
        # Where some have not stated what they can, a capability that none has stated may still be tried.
        sure = len(stated) == len(models)
        for capability, has in (("tools", "tools" in can), ("vision", "vision" in can), ("audio", "audio" in can)):
            if has or sure:
                _set(profile, capability, has)
        profile["structured_output"] = "json_schema" in can
        profile["reasoning_output"] = "reasoning" in can
    return profile


def _set(profile: ModelProfile, capability: str, has: bool) -> None:  # noqa: FBT001
    if capability == "tools":
        profile["tool_calling"] = profile["tool_choice"] = has
    elif capability == "vision":
        profile["image_inputs"] = profile["image_url_inputs"] = has
    else:
        profile["audio_inputs"] = has
