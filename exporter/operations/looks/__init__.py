"""What `python -m exporter checklist` looks at: one file a subject, and a table of the looks."""
