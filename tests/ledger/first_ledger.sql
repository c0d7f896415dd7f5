-- What a ledger of revision 0001 may hold: each table, each status, each way to begin and to end.
-- It is never changed: it is what some ledger has.
INSERT INTO alerts (id, fingerprint, name, severity, service, status, labels, annotations, generator_url, starts_at, starts, waiting_since, ends_at, created_at, updated_at, response_due_at, source, resolution, firing, suppressed, acknowledged_at, acknowledged_by, acknowledged_for, acknowledged_via, resolved_by, false_positive) VALUES
('00000000-0000-4000-8000-000000000001', '0000000000000001', 'ServiceDown', 'critical', 'auth-service', 'active', '{"alertname": "ServiceDown", "service": "auth-service", "severity": "critical"}', '{"summary": "auth-service is down", "value": "0", "threshold": "< 0.5"}', 'http://prometheus/graph', '2026-01-20 12:00:00.000000', NULL, NULL, NULL, '2026-01-20 12:00:05.000000', '2026-01-20 12:00:05.000000', '2026-01-20 12:05:00.000000', 'webhook', NULL, true, false, NULL, NULL, NULL, NULL, NULL, false),
('00000000-0000-4000-8000-000000000002', '0000000000000002', 'TooSlow', 'warning', 'auth-service', 'acknowledged', '{"alertname": "TooSlow", "größe": "ü☃", "cause": "network"}', '{}', '', '2026-01-20 11:00:00.123456', '["2026-01-20T11:00:00.123456+00:00", "2026-01-20T11:30:00+00:00"]', '2026-01-20 11:10:00.000000', NULL, '2026-01-20 11:00:01.000000', '2026-01-20 11:31:00.000000', NULL, 'alertmanager', NULL, true, false, '2026-01-20 11:20:00.000000', 'jane@example.com', 'joe', 'slack', NULL, false),
('00000000-0000-4000-8000-000000000003', '0000000000000003', 'ServiceDown', 'critical', 'venue-service', 'active', '{"alertname": "ServiceDown"}', '{}', '', '2026-01-20 10:00:00.000000', NULL, NULL, NULL, '2026-01-20 10:00:00.000000', '2026-01-20 10:00:00.000000', '2026-01-20 10:05:00.000000', 'prometheus', NULL, true, true, NULL, NULL, NULL, NULL, NULL, false),
('00000000-0000-4000-8000-000000000004', '0000000000000001', 'ServiceDown', 'critical', 'auth-service', 'resolved', '{"alertname": "ServiceDown"}', '{}', '', '2026-01-19 12:00:00.000000', NULL, NULL, '2026-01-19 12:10:00.000000', '2026-01-19 12:00:00.000000', '2026-01-19 12:10:00.000000', '2026-01-19 12:05:00.000000', 'webhook', 'alertmanager', false, false, '2026-01-19 12:01:00.000000', 'jane@example.com', NULL, 'api', NULL, false),
('00000000-0000-4000-8000-000000000005', '0000000000000005', 'TooSlow', 'warning', 'auth-service', 'resolved', '{"alertname": "TooSlow"}', '{}', '', '2026-01-18 12:00:00.000000', NULL, NULL, '2026-01-18 12:10:00.000000', '2026-01-18 12:00:00.000000', '2026-01-18 12:10:00.000000', NULL, 'webhook', 'person', true, false, '2026-01-18 12:01:00.000000', 'jane@example.com', NULL, 'pagerduty', 'jane@example.com', true),
('00000000-0000-4000-8000-000000000006', '0000000000000006', 'TooSlow', 'warning', 'auth-service', 'resolved', '{"alertname": "TooSlow"}', '{}', '', '2026-01-17 12:00:00.000000', NULL, NULL, '2026-01-17 12:10:00.000000', '2026-01-17 12:00:00.000000', '2026-01-17 12:10:00.000000', NULL, 'prometheus', 'absence', false, false, NULL, NULL, NULL, NULL, NULL, false),
('00000000-0000-4000-8000-000000000007', '0000000000000007', 'TooSlow', 'warning', 'auth-service', 'resolved', '{"alertname": "TooSlow"}', '{}', '', '2026-01-17 11:00:00.000000', NULL, NULL, '2026-01-17 11:10:00.000000', '2026-01-17 11:00:00.000000', '2026-01-17 11:10:00.000000', NULL, 'alertmanager', 'prometheus', false, false, NULL, NULL, NULL, NULL, NULL, false),
('00000000-0000-4000-8000-000000000008', '0000000000000008', 'ServiceDown', 'critical', 'old-service', 'resolved', '{"alertname": "ServiceDown"}', '{}', '', '2025-11-05 12:00:00.000000', NULL, NULL, '2025-11-05 12:10:00.000000', '2025-11-05 12:00:00.000000', '2025-11-05 12:10:00.000000', '2025-11-05 12:05:00.000000', 'webhook', 'alertmanager', false, false, NULL, NULL, NULL, NULL, NULL, false),
('00000000-0000-4000-8000-000000000009', '0000000000000009', 'ServiceDown', 'critical', 'old-service', 'resolved', '{"alertname": "ServiceDown"}', '{}', '', '2025-11-06 12:00:00.000000', NULL, NULL, '2025-11-06 12:10:00.000000', '2025-11-06 12:00:00.000000', '2025-11-06 12:10:00.000000', '2025-11-06 12:05:00.000000', 'webhook', 'alertmanager', false, false, NULL, NULL, NULL, NULL, NULL, false);
INSERT INTO alert_notes (alert_id, created_at, author, author_for, channel, text) VALUES
('00000000-0000-4000-8000-000000000004', '2026-01-19 12:02:00.000000', 'jane@example.com', NULL, 'api', 'restarted; fine'),
('00000000-0000-4000-8000-000000000008', '2025-11-05 12:02:00.000000', 'jane@example.com', 'joe', 'slack', 'of an alert that is archived');
INSERT INTO alert_audit (at, alert_id, action, actor, actor_for, channel, address, request_id, "before", "after") VALUES
('2026-01-19 12:01:00.000000', '00000000-0000-4000-8000-000000000004', 'acknowledge', 'jane@example.com', NULL, 'api', '10.0.0.7', 'abc', '{"status": "active"}', '{"status": "acknowledged"}'),
('2026-01-19 12:02:00.000000', '00000000-0000-4000-8000-000000000004', 'note', 'jane@example.com', NULL, 'api', NULL, NULL, NULL, NULL),
('2026-01-19 12:03:00.000000', NULL, 'other', 'somebody', 'nobody', 'worker', NULL, NULL, NULL, '{"x": [1, null]}');
INSERT INTO metrics (timestamp, target, replica, kind, seconds, probes, successes, degraded, duration_sum, buckets) VALUES
('2026-01-20 12:00:00.000000', 'auth-service', 'pod-1', 'http', 300, 60, 59, 1, 1.25, '{"0.01": 59}'),
('2026-01-20 12:00:00.000000', 'auth-service', 'pod-2', 'http', 300, 60, 60, 0, 1.5, '{"0.01": 60}'),
('2026-01-19 12:00:00.000000', 'auth-service', '*', 'http', 3600, 720, 719, 0, 12.5, '{"0.01": 719}'),
('2025-08-05 12:00:00.000000', 'auth-service', '*', 'http', 3600, 720, 720, 0, 12.5, '{"0.01": 720}'),
('2025-08-06 12:00:00.000000', 'auth-service', '*', 'http', 3600, 720, 720, 0, 12.5, '{"0.01": 720}');
INSERT INTO deliveries (source, event_id, received_at) VALUES
('slack', 'v0=abc', '2026-01-20 11:20:00.000000'),
('pagerduty', '01ABC', '2026-01-18 12:01:00.000000'),
('pagerduty-out', 'key:00000000-0000-4000-8000-000000000002', '2026-01-20 11:20:02.000000');
INSERT INTO alert_groups (fingerprint, receiver, group_key, dedup_key, seen_at) VALUES
('0000000000000001', 'slack+pagerduty', '{}:{alertname="ServiceDown"}', '3f0a', '2026-01-20 12:00:10.000000');
INSERT INTO pagerduty_incidents (id, dedup_key, seen_at) VALUES ('Q1', '3f0a', '2026-01-20 12:00:12.000000');
INSERT INTO facts (name, value) VALUES ('reconciled_until', '"2026-01-20T12:00:00+00:00"');
INSERT INTO replicas (name, started_at, seen_at, version) VALUES ('pod-1', '2026-01-01 00:00:00.000000', '2026-01-20 12:00:00.000000', '0.1.0');
INSERT INTO workers (name, replica, running, started_at, ended_at, successes, errors, last_error, failed) VALUES ('cleanup', 'pod-1', false, '2026-01-20 03:00:00.000000', '2026-01-20 03:00:09.000000', 19, 1, 'it took longer than 60 s', false);
CREATE TABLE metrics_archive_2025_08 AS SELECT * FROM metrics WHERE timestamp < '2025-08-06 00:00:00.000000';
DELETE FROM metrics WHERE timestamp < '2025-08-06 00:00:00.000000';
CREATE TABLE alerts_archive_2025_11 AS SELECT * FROM alerts WHERE created_at < '2025-11-06 00:00:00.000000' AND status = 'resolved';
DELETE FROM alerts WHERE created_at < '2025-11-06 00:00:00.000000' AND status = 'resolved';
