"""Authentication as a user of LiteLLM's proxy writes it for himself: `general_settings.custom_auth`."""

from __future__ import annotations

from typing import Any

from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth


async def check(request: Any, api_key: str) -> UserAPIKeyAuth:
    """The administrator, and Ann."""
    from tests.litellm.proxy.running import KEY

    if api_key == KEY:
        return UserAPIKeyAuth(api_key=api_key, user_role=LitellmUserRoles.PROXY_ADMIN)
    if api_key == "sk-of-ann":
        return UserAPIKeyAuth(api_key=api_key, user_id="ann", user_role=LitellmUserRoles.INTERNAL_USER)
    raise ProxyException(message="nobody's key", type="auth_error", param="None", code=401)
