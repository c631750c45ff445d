"""What importing Rotor adds to what its users import anyway: milliseconds, the median of 5 fresh interpreters, byte code compiled."""

from __future__ import annotations

import statistics
import subprocess
import sys

CASES = {
    "import rotor_core": ("import httpx, pydantic, pluggy", "import rotor_core"),
    "from rotor_core import Rotor": ("import httpx, pydantic, pluggy", "from rotor_core import Rotor"),
    "import rotor_langchain": ("import langchain_core.language_models.chat_models", "import rotor_langchain"),
}
LOAD = "from rotor_core.plugins import installed\nimport rotor_core.catalog.load as c, pydantic.main\np = installed()\nk = {n: 'sk-made-up' for s in p.providers.values() for n in s.env[:1]}\nk = dict(list(k.items())[:KEYS])"
CALL = "import rotor_core.catalog.schema\nc.load(None, environ=k, specs=p.providers, rankings=p.rankings, schemes=p.stores)"
UNWANTED = ("langchain_core", "litellm", "tiktoken")
ROUNDS = 5


def seconds(before: str, code: str) -> float:
    """How long `code` takes after `before`, in a fresh interpreter."""
    script = f"import time\n{before}\nt = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return float(out)


def main() -> None:
    for name, (before, code) in CASES.items():
        seconds(before, code)
        added = statistics.median(seconds(before, code) for _ in range(ROUNDS)) * 1000
        print(f"{name} adds {added:.1f} ms to `{before}`")
    for keys in (1, 99):
        took = statistics.median(seconds(LOAD.replace("KEYS", str(keys)), CALL) for _ in range(ROUNDS)) * 1000
        print(
            f"configuration and catalog load in {took:.0f} ms with {'one key' if keys == 1 else 'a key for every provider'}"
        )
    check = f"import sys, rotor_core; print([m for m in {UNWANTED!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout.strip()
    print(f"of {', '.join(UNWANTED)}, import rotor_core loads: {loaded}")


if __name__ == "__main__":
    main()
