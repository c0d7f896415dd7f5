"""Slack and PagerDuty: what they send us is verified and read, what we answer is made and sent."""
