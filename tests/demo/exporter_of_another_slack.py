"""The exporter, for which Slack is where SLACK_ORIGIN says, by the words of its own command."""

from __future__ import annotations

import os
from typing import Any

from exporter.__main__ import main
from exporter.chat import chat
from exporter.chat.slack_replies import SlackReplies


class _Elsewhere(SlackReplies):
    """Posts to a stand-in; the real one takes no other host than Slack's."""

    def __init__(self, errors: Any) -> None:
        super().__init__(errors, os.environ["SLACK_ORIGIN"])


if __name__ == "__main__":
    setattr(chat, "SlackReplies", _Elsewhere)  # noqa: B010 - not exported, and typed as a class
    main()
