"""Our own rules over a stack's objects, each a pure function that yields a sentence for everything it finds."""

from __future__ import annotations

from tests.infra.admission import Rule
from tests.infra.rules import configuration, delivery, openings, stores, workloads

RULES: tuple[Rule, ...] = (
    configuration.settings_and_manifests_agree,
    configuration.parts_get_what_they_need,
    configuration.secrets_are_known,
    delivery.dispatchers_match_subscriptions,
    delivery.targets_are_local_functions,
    delivery.time_is_ordered,
    delivery.concurrency_is_what_a_process_serves,
    stores.connections_fit,
    stores.redis_is_the_truth,
    workloads.pods_are_confined,
    workloads.images_are_pinned,
    workloads.every_component_may_be_drained,
    openings.network_is_closed,
    openings.openings_are_used,
    workloads.clocks_agree,
    workloads.jobs_make_way,
)
