"""The `rotor.yaml` that `rotor config init` writes: one free provider that works at once, the rest as comments."""

from __future__ import annotations

from typing import Final

STARTER: Final = """\
# rotor.yaml: the providers, models and keys that requests are spread over, free capacity first.
# `rotor config check` reads it as Rotor does; `rotor config schema` prints its JSON Schema for editors.
version: 1

# Where limits are counted. In memory: for this process alone.
store: memory://
# store: sqlite:///rotor.db            # by every process of this machine; survives a restart
# store: redis://127.0.0.1:6379/0      # by every machine

providers:
  groq:
    adapter: openai-compatible
    base_url: https://api.groq.com/openai/v1
    plan: free                         # nothing here costs money
    keys:
      - env: GROQ_API_KEY              # the name of an environment variable, never the key itself
      # Keys of one organization share its limits: give them the same quota.
      # - {env: GROQ_WORK_KEY, quota: work, plan: developer}
    models:
      openai/gpt-oss-20b:
        context: 131072
        max_output: 65536
        capabilities: [tools, parallel_tools, reasoning, json_schema]
        category: small                # tiny | small | large | reasoning
        limits: &groq_free             # the free plan as of November 2026; your own console has the last word
          - {requests: 30, per: minute, window: bucket}
          - {requests: 1000, per: day, window: bucket}
          - {tokens: 8000, per: minute, window: bucket}
          - {tokens: 200000, per: day, window: bucket}
      openai/gpt-oss-120b:
        context: 131072
        max_output: 65536
        capabilities: [tools, parallel_tools, reasoning, json_schema]
        category: large
        limits: *groq_free

  # Any server that speaks OpenAI's chat completions.
  # local:
  #   adapter: openai-compatible
  #   base_url: http://127.0.0.1:8000/v1
  #   keys: []                         # it needs none
  #   models:
  #     llama-3.3-70b:
  #       context: 131072
  #       price: {input: 0, output: 0} # USD per million tokens
  #       limits: [{concurrent: 4}]

pools:
  fast:
    - groq/openai/gpt-oss-20b
    - groq/openai/gpt-oss-120b
    # - {model: local/llama-3.3-70b, priority: 2}   # only when the others are full

default_pool: fast

policy:
  ranking: free-first                  # free-first | cheapest | fastest | spread | balanced
  max_attempts: 3
  max_wait: 30s                        # longest wait for capacity
  paid: never                          # allowed | never
  # budget: {usd: 1.00, per: day}
  # on_store_error: refuse             # local (the default): go on with a share of the limits when the store is away

# rules:
#   - when: {tokens_over: 32000}
#     require: {context: 128000}
#   - when: {task: research, complexity_over: 0.7}
#     prefer: {category: reasoning}
"""


def starter() -> str:
    """The text. It loads as it stands where `GROQ_API_KEY` is set."""
    return STARTER
