"""What the exporter does on a clock besides probing, for the ledger and the services' figures."""
