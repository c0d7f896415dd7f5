"""How the condition of each alert is made true in the demo, by what makes it true in production."""
