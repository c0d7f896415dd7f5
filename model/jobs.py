"""The names of the jobs that Prometheus scrapes."""

JOB = "monitoring-service"
SERVICES_JOB = "services"
