//! The conformance suite of the ledger, which every database must pass. Each test is a function that takes a
//! new ledger. The macro `suite!` runs all tests on one database.

pub(crate) mod accounts;
pub(crate) mod delivery_limits;
pub(crate) mod expiry;
pub(crate) mod failing_receivers;
pub(crate) mod history;
pub(crate) mod interventions;
pub(crate) mod jobs;
pub(crate) mod results;
pub(crate) mod sealed;
pub(crate) mod watermarks;
pub(crate) mod webhooks;

/// Defines one test for every function of the conformance suite. The function `$fresh` opens a new ledger for
/// each test. It returns `None`, and says so, if this machine lacks the database.
macro_rules! suite {
    ($fresh:ident) => {
        $crate::conformance::suite! { $fresh:
            accounts:
                the_first_api_key_creates_the_default_account,
                an_api_key_is_valid_until_it_is_revoked,
                an_api_key_cannot_be_added_twice,
                an_api_key_added_by_another_process_is_valid_at_once,
                reading_the_usage_of_an_unknown_account_fails;
            sealed:
                replaced_texts_of_secrets_and_requests_are_returned_by_claims_and_accounts;
            jobs:
                the_webhook_of_a_request_passes_through_every_status_from_created_to_delivered,
                claims_return_the_data_of_the_accepted_request_unchanged,
                an_upload_stored_in_a_database_row_is_returned_by_every_claim_of_its_job,
                a_request_with_the_id_of_an_accepted_request_is_refused,
                a_request_of_an_unknown_account_is_refused,
                a_claim_returns_the_jobs_that_have_been_due_longest_and_at_most_the_requested_number,
                a_job_cannot_be_finished_under_a_lost_lease,
                a_renewed_lease_of_a_job_lasts_for_its_full_duration_after_the_renewal,
                the_release_reason_of_a_job_determines_its_due_time_and_crash_count,
                recovery_after_a_restart_ends_every_lease_of_the_earlier_process,
                leased_jobs_and_waiting_jobs_count_as_unfinished;
            webhooks:
                the_delay_of_a_webhook_starts_when_its_request_is_processed,
                webhooks_are_claimed_in_the_order_of_due_times,
                a_retry_is_not_claimed_before_its_due_time,
                a_failed_webhook_is_not_claimed_again,
                a_webhook_that_is_returned_to_the_queue_without_being_sent_uses_up_no_attempt,
                an_attempt_reported_under_a_lost_lease_changes_only_the_history,
                recovery_after_a_restart_records_a_webhook_attempt_without_an_end_as_interrupted,
                a_webhook_that_is_given_up_before_it_is_sent_has_no_attempt_in_its_history,
                the_expiry_time_of_a_webhook_is_counted_from_its_first_due_time;
            delivery_limits:
                no_webhook_of_a_saturated_destination_is_claimed_until_a_lease_ends,
                a_backlog_of_one_destination_does_not_delay_another_destination,
                retries_do_not_use_the_send_capacity_reserved_for_first_attempts,
                an_open_circuit_breaker_allows_one_probe_after_each_pause,
                a_retry_after_header_pauses_the_whole_destination,
                hosts_with_the_same_ip_address_share_the_concurrency_limit_of_this_address,
                setting_the_clock_back_does_not_lengthen_the_pause_of_a_destination,
                the_delivery_state_of_an_idle_destination_is_deleted_after_a_day,
                the_end_of_a_webhook_lease_frees_the_send_capacity_of_its_destination,
                a_destination_has_at_most_as_many_webhooks_in_flight_as_could_still_be_sent_to_others;
            expiry:
                a_webhook_that_was_attempted_before_expires_while_its_destination_is_paused,
                a_webhook_that_was_never_attempted_gets_a_new_expiry_when_the_give_up_time_is_over,
                claims_fail_all_webhooks_whose_requested_expiry_passed_while_the_server_was_stopped,
                a_webhook_that_errors_of_this_machine_postpone_still_expires_at_its_expiry_time,
                a_webhook_expires_no_later_than_the_give_up_time_after_its_first_due_time;
            failing_receivers:
                webhooks_to_one_path_are_delivered_within_two_seconds_while_webhooks_to_another_path_fail,
                a_webhook_to_another_path_is_sent_at_once_if_one_failing_path_opened_the_circuit_breaker,
                after_failures_of_two_paths_every_webhook_waits_for_the_end_of_the_circuit_breaker_pause,
                after_refused_connections_no_webhook_is_sent_during_the_pause_of_the_circuit_breaker,
                the_probe_after_a_pause_is_preferably_a_webhook_to_a_path_that_has_not_failed,
                forty_webhooks_are_sent_in_the_three_and_a_half_seconds_after_an_outage_of_one_minute,
                the_event_of_an_opened_or_closed_circuit_breaker_has_the_number_of_waiting_webhooks,
                a_webhook_that_an_open_circuit_breaker_held_from_the_start_gets_one_attempt_at_its_expiry,
                a_webhook_that_was_never_attempted_is_sent_at_its_expiry_even_during_a_retry_after_pause,
                expiring_webhooks_get_their_only_attempt_one_at_a_time_while_the_circuit_breaker_is_open,
                a_webhook_whose_expiry_passed_while_the_server_was_stopped_is_not_sent;
            interventions:
                a_resend_restarts_the_retry_schedule_and_the_expiry_of_an_ended_webhook,
                a_resend_makes_a_waiting_webhook_due_now,
                a_cancelled_webhook_becomes_failed_and_the_lease_of_its_job_ends,
                cancelling_a_request_deletes_its_stored_input,
                the_late_report_of_an_attempt_is_recorded_for_this_attempt_even_after_a_resend,
                a_rotated_signing_secret_stays_active_for_the_overlap_time,
                a_task_that_waits_for_a_request_wakes_when_the_request_ends,
                a_bulk_resend_does_not_exceed_its_limit_of_webhooks_per_second,
                a_bulk_resend_continues_after_recovery_and_can_be_stopped;
            history:
                a_list_of_webhooks_is_filtered_by_the_query_and_divided_into_pages,
                pages_neither_skip_nor_repeat_a_webhook_when_new_webhooks_are_added,
                a_webhook_of_another_account_is_not_found,
                every_field_of_an_attempt_is_stored,
                a_running_attempt_is_not_listed_in_the_history_of_its_webhook,
                the_sweep_deletes_only_old_webhooks_that_are_delivered_or_failed,
                the_counters_of_an_account_equal_the_number_of_its_webhooks_in_each_status;
            watermarks:
                a_watermark_is_found_until_it_is_removed,
                a_watermark_of_another_account_is_not_found,
                the_watermark_quota_of_an_account_counts_only_watermarks_that_are_not_removed,
                a_removed_watermark_is_kept_until_requests_accepted_before_the_removal_are_processed;
            results:
                a_result_is_found_until_it_expires,
                the_result_of_a_job_under_a_lost_lease_is_not_stored;
        }
    };
    ($fresh:ident: $($module:ident: $($test:ident),*;)*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $test() {
                if let Some(fixture) = super::$fresh().await {
                    $crate::conformance::$module::$test(fixture).await;
                }
            })*
        })*
    };
}

pub(crate) use suite;
