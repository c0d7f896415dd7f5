"""The console: pages for people, rendered here, that work when Grafana does not."""
