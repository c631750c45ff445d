"""What tests of stores are given."""

from __future__ import annotations

import pytest
from tests.stores.away import Shared
from tests.stores.made import Hands


@pytest.fixture
def shared() -> Shared:
    return Shared(Hands())
