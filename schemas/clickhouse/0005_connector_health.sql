-- State of each connector that is configured, bound or not, and of a removed one for as long as a bind of it is up.
-- A bind is up when the last that was heard of it is bind_up and its process was not started anew since (a killed one
-- cannot say goodbye). The number of a bind stands in the detail ("bind 0: ..."). binds_max is that of the last applied
-- configuration; where none was ever applied, the number of binds that were heard of. updated_at: of the last news of a
-- bind, or of the configuration.
CREATE OR REPLACE VIEW sms.connector_health AS
WITH
    toUUID('00000000-0000-0000-0000-000000000000') AS no_message,
    binds AS
    (
        SELECT
            connector_id, extract(detail, '^bind (\\d+)') AS bind,
            argMax(event, (occurred_at, event_id)) AS last_word,
            argMax(instance, (occurred_at, event_id)) AS holder,
            max(occurred_at) AS last_at
        FROM sms.event_log
        WHERE message_id = no_message AND event IN ('bind_up', 'bind_down', 'bind_refused')
        GROUP BY connector_id, bind
    ),
    starts AS
    (
        SELECT instance AS holder, max(occurred_at) AS started_at
        FROM sms.event_log
        WHERE message_id = no_message AND service = 'binder' AND event IN ('service_started', 'service_stopped')
        GROUP BY holder
    ),
    configured AS
    (
        SELECT
            JSONExtractString(connector, 'id') AS connector_id,
            if(JSONHas(connector, 'max_binds'), JSONExtractUInt(connector, 'max_binds'), 1) AS max_binds,
            applied_at
        FROM
        (
            SELECT
                arrayJoin(JSONExtractArrayRaw(argMax(detail, occurred_at), 'connectors')) AS connector,
                max(occurred_at) AS applied_at
            FROM sms.event_log
            WHERE message_id = no_message AND event = 'config_applied'
        )
    ),
    known AS
    (
        SELECT connector_id FROM configured
        UNION DISTINCT
        SELECT connector_id FROM binds
    ),
    lately AS
    (
        SELECT
            connector_id,
            uniqExactIf(event_id, event = 'throttled') AS throttled_1m,
            uniqExactIf(event_id, event != 'throttled') AS errors_1m
        FROM sms.event_log
        WHERE recorded_at > now('UTC') - INTERVAL 120 SECOND
          AND occurred_at > now64(3, 'UTC') - INTERVAL 60 SECOND
          AND event IN ('throttled', 'temporary_error', 'submit_failed', 'outcome_unknown')
        GROUP BY connector_id
    )
SELECT
    connector_id,
    multiIf(binds_up > 0 AND binds_up >= binds_max, 'up', binds_up > 0, 'degraded',
            countIf(is_refused) > 0, 'refused', 'down') AS state,
    countIf(last_word = 'bind_up' AND last_at >= started_at) AS binds_up,
    if(any(max_binds) = 0, countIf(bind != ''), any(max_binds)) AS binds_max,
    any(throttled_1m) AS throttled_1m,
    any(errors_1m) AS errors_1m,
    max(greatest(last_at, applied_at)) AS updated_at
FROM
(
    SELECT
        known.connector_id AS connector_id, bind, last_word, last_at, started_at, max_binds, applied_at,
        lately.throttled_1m AS throttled_1m,
        lately.errors_1m AS errors_1m,
        last_word = 'bind_refused' AS is_refused
    FROM known
    LEFT JOIN binds ON binds.connector_id = known.connector_id
    LEFT JOIN starts ON starts.holder = binds.holder
    LEFT JOIN configured ON configured.connector_id = known.connector_id
    LEFT JOIN lately ON lately.connector_id = known.connector_id
)
GROUP BY connector_id
HAVING binds_up > 0 OR any(max_binds) > 0 OR (SELECT count() FROM configured) = 0;
