"""Virtual time: the same kernel and ledger, driven by an event heap instead of a clock. An hour of traffic runs in seconds."""
