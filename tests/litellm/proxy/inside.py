"""Inside a proxy: what its database jobs do, done on demand. To be named in `LITELLM_WORKER_STARTUP_HOOKS`.

Without a database LiteLLM refuses `/config/update` and `/model/new`; behind them stand the functions that are called here,
by the job with which each worker takes over what another one has written.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

HOOK = "tests.litellm.proxy.inside:install"


def install() -> None:
    """Add the routes. They ask for no key: they are a test's own."""
    from litellm.proxy import proxy_server

    for path, route in {
        "/inside/settings": settings, "/inside/reload": reload, "/inside/anew": anew, "/inside/models": models,
        "/inside/chooses": chooses,
    }.items():  # fmt: skip
        proxy_server.app.add_api_route(path, route, methods=["POST"])


async def settings(given: dict[str, Any]) -> dict[str, Any]:
    """As after `/config/update`: `given` are router settings."""
    router = _server().llm_router
    router.update_settings(**given)
    return {"routing_strategy": str(router.routing_strategy)}


async def reload(given: dict[str, Any]) -> dict[str, Any]:
    """As at the start: the configuration file is read, and the router made from it."""
    server = _server()
    before = server.llm_router
    await server.initialize(config=given["path"])
    return {"anew": server.llm_router is not before}


async def anew(given: dict[str, Any]) -> dict[str, Any]:
    """As `_update_llm_router` does where there is no router: one over the same deployments, with LiteLLM's defaults."""
    import litellm

    server = _server()
    entries = [dict(entry) for entry in server.llm_router.model_list]
    server.llm_router = litellm.Router(model_list=entries, ignore_invalid_deployments=True, **given)
    return {"deployments": len(entries)}


async def models(given: dict[str, Any]) -> dict[str, Any]:
    """As after `/model/new` and `/model/delete`: beside the configuration's there are exactly these."""
    server = _server()
    rows = [
        SimpleNamespace(
            model_id=entry["model_info"]["id"], model_name=entry["model_name"],
            litellm_params=dict(entry["litellm_params"]), model_info=dict(entry["model_info"]),
        )
        for entry in given["entries"]
    ]  # fmt: skip
    await server.proxy_config._update_llm_router(new_models=rows, proxy_logging_obj=server.proxy_logging_obj)
    return {"deployments": sorted(server.llm_router.get_model_ids())}


async def chooses(given: dict[str, Any]) -> dict[str, Any]:
    """Whether Rotor's strategy stands in the router at this moment."""
    from rotor_litellm.strategy import installed_in

    return {"installed": installed_in(_server().llm_router) is not None}


def _server() -> Any:
    from litellm.proxy import proxy_server

    return proxy_server
