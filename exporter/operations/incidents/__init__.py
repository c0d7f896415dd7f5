"""What an incident's record and its post-mortem say."""
