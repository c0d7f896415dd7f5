#!/bin/sh
# Makes the secrets that deploy/compose.yaml names, in deploy/secrets, and keeps those that are there.
# Those of email, Slack and PagerDuty are others' to give: their files begin empty.
set -eu
umask 077
cd "${1:-$(dirname "$0")}"
mkdir -p secrets
chmod 0700 secrets

# The containers' users are not the owner: the directory keeps everybody else out.
write() {
    if [ ! -e "secrets/$1" ]; then
        cat > "secrets/$1.new"
        chmod 0444 "secrets/$1.new"
        mv "secrets/$1.new" "secrets/$1"
        echo "made secrets/$1"
    fi
}

random() {
    head -c 36 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'
}

for name in jwt_secret ingest_token postgres_password grafana_admin_password; do
    random | write "$name"
done
printf 'postgresql://monitoring:%s@postgres:5432/monitoring_prod' "$(cat secrets/postgres_password)" |
    write database_url
for name in smtp_password slack_webhook_url pagerduty_routing_key \
    pagerduty_on_call_primary pagerduty_on_call_backup pagerduty_manager; do
    write "$name" < /dev/null
    [ -s "secrets/$name" ] || echo "secrets/$name is empty: put it there, then restart alertmanager"
done
