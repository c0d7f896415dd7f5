"""The ledger: each alert's life as an episode, who acknowledged it, what was noted, and when."""
