//! The conformance suite that every database must pass. Each test is a function that takes a new ledger. The
//! macro `suite!` runs all tests on one database.

pub(crate) mod accounts;
pub(crate) mod delivery_limits;
pub(crate) mod expiry;
pub(crate) mod history;
pub(crate) mod interventions;
pub(crate) mod jobs;
pub(crate) mod results;
pub(crate) mod watermarks;
pub(crate) mod webhooks;

/// Defines a test for every function of the suite. The function `$fresh` opens a new ledger.
macro_rules! suite {
    ($fresh:ident) => {
        $crate::conformance::suite! { $fresh:
            accounts:
                the_first_key_creates_the_account,
                a_key_is_valid_until_it_is_revoked,
                a_key_cannot_be_added_twice,
                a_key_added_by_another_process_is_valid_at_once,
                usage_of_an_unknown_account_is_an_error;
            jobs:
                an_accepted_request_passes_through_every_status_to_delivered,
                claims_return_the_accepted_request_unchanged,
                an_inline_input_is_returned_by_every_claim_of_its_job,
                a_second_request_with_the_same_id_is_refused,
                a_request_of_an_unknown_account_is_refused,
                jobs_are_claimed_longest_due_first_and_up_to_the_limit,
                a_job_cannot_be_finished_under_a_lost_lease,
                the_length_of_a_renewed_lease_counts_from_the_renewal,
                the_release_reason_determines_the_due_time_and_the_crash_count,
                recovery_ends_every_lease,
                leased_and_waiting_jobs_are_unfinished;
            webhooks:
                the_delay_starts_at_the_end_of_processing,
                webhooks_are_claimed_in_the_order_of_due_times,
                a_retry_is_not_claimed_before_its_due_time,
                a_failed_webhook_is_not_claimed_again,
                a_released_webhook_uses_no_attempt,
                an_attempt_reported_under_a_lost_lease_changes_only_the_history,
                recovery_closes_an_open_attempt_as_interrupted,
                an_abandoned_webhook_fails_without_an_attempt_in_its_history,
                the_expiry_is_relative_to_the_first_due_time;
            delivery_limits:
                a_saturated_destination_is_not_claimed_until_a_lease_ends,
                a_backlog_of_one_destination_does_not_delay_another,
                retries_do_not_use_the_capacity_for_first_attempts,
                an_open_breaker_lets_one_probe_through_after_each_pause,
                retry_after_pauses_the_whole_destination,
                authorities_with_the_same_address_share_the_limit_of_the_address,
                a_clock_set_back_does_not_lengthen_a_pause,
                an_idle_destination_is_deleted_after_a_day,
                an_ended_lease_frees_the_capacity_of_its_destination;
            expiry:
                a_webhook_expires_while_its_destination_is_paused,
                a_webhook_that_was_never_attempted_gets_a_new_expiry,
                an_expired_webhook_is_never_claimed,
                a_webhook_postponed_by_an_error_on_this_machine_expires,
                the_expiry_is_at_most_give_up_ms;
            interventions:
                a_resent_webhook_restarts_its_schedule_and_its_expiry,
                a_resend_makes_a_waiting_webhook_due_now,
                a_cancelled_webhook_fails_and_its_job_loses_its_lease,
                the_ledger_stores_no_input_of_a_cancelled_request,
                a_late_report_after_a_resend_updates_its_own_attempt,
                a_rotated_secret_stays_active_for_the_overlap,
                a_completion_waiter_wakes_when_the_request_ends,
                a_bulk_resend_does_not_exceed_its_rate,
                a_bulk_resend_continues_after_recovery_and_can_be_stopped;
            history:
                lists_are_filtered_and_paged,
                pages_neither_skip_nor_repeat_a_webhook_when_webhooks_are_added,
                a_webhook_of_another_account_is_not_found,
                every_field_of_an_attempt_is_stored,
                an_attempt_that_is_under_way_is_not_listed,
                the_sweep_deletes_only_old_webhooks_that_have_ended,
                the_counters_equal_the_number_of_webhooks_in_each_status;
            watermarks:
                a_watermark_is_found_until_it_is_removed,
                a_watermark_of_another_account_is_not_found,
                the_quota_counts_only_watermarks_that_are_not_removed,
                a_removed_watermark_stays_until_earlier_requests_are_processed;
            results:
                a_result_is_found_until_it_expires,
                the_result_of_a_job_under_a_lost_lease_is_not_stored;
        }
    };
    ($fresh:ident: $($module:ident: $($test:ident),*;)*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $test() {
                $crate::conformance::$module::$test(super::$fresh().await).await;
            })*
        })*
    };
}

pub(crate) use suite;
