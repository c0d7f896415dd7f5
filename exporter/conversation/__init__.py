"""What a probe on demand says and hears: recorded, redacted, and told as text."""
