//! What every database must do, as functions over a fresh ledger. A database runs them all with `suite!`.

pub(crate) mod accounts;
pub(crate) mod delivery_limits;
pub(crate) mod history;
pub(crate) mod interventions;
pub(crate) mod jobs;
pub(crate) mod results;
pub(crate) mod watermarks;
pub(crate) mod webhooks;

/// Makes a test of every function of the suite; `$fresh` opens a ledger.
macro_rules! suite {
    ($fresh:ident) => {
        $crate::conformance::suite! { $fresh:
            accounts: the_first_key_makes_the_account, a_key_is_found_until_it_is_revoked,
                a_key_exists_once, a_key_of_another_process_counts_at_once, usage_needs_an_account;
            jobs: an_accepted_request_ends_delivered, what_went_in_comes_out,
                a_small_input_rides_along_until_its_job_ended, an_id_is_accepted_once,
                an_account_must_exist, jobs_come_in_order_and_no_more_than_asked_for, a_lost_job_stays_lost,
                a_renewed_job_is_kept, a_release_says_when_and_whether_it_counts,
                recovery_gives_everything_back, unfinished_jobs_are_known;
            webhooks: a_delay_counts_from_the_end_of_processing, webhooks_come_by_due_time,
                a_retry_waits_for_its_time, an_end_is_an_end, a_release_uses_up_no_attempt,
                a_late_result_is_only_history, a_crash_shows_as_interrupted,
                an_abandoned_webhook_fails_without_attempt, expiry_counts_from_the_first_due_time;
            delivery_limits: a_saturated_authority_is_left_out, a_backlog_delays_nobody_else,
                room_is_kept_for_first_attempts, the_breaker_lets_one_through_at_a_time,
                what_a_receiver_asks_for_holds_for_its_authority, time_runs_out_while_nothing_is_sent,
                what_nobody_tried_is_owed_however_late_it_is, nothing_is_claimed_whose_time_is_over,
                what_this_machine_cannot_send_is_not_tried_for_ever, a_request_gets_no_more_time_than_any,
                one_address_is_one_receiver,
                a_clock_set_back_does_not_lengthen_a_pause, an_idle_destination_is_forgotten,
                an_interruption_returns_what_it_held;
            interventions: what_ended_can_be_sent_again, what_waits_can_be_hurried,
                what_is_not_wanted_any_more_ends, a_cancelled_request_leaves_no_input, a_late_result_finds_its_own_attempt,
                secrets_overlap, who_waits_for_a_result_is_told, many_are_sent_again_at_the_rate_asked_for,
                a_bulk_resend_survives_a_restart_and_can_be_stopped;
            history: lists_are_filtered_and_paged, pages_follow_each_other_whatever_comes_between, another_accounts_webhook_does_not_exist,
                an_attempt_is_kept_in_full, an_open_attempt_is_not_listed, the_sweep_takes_what_ended_and_is_old,
                the_counters_equal_a_recount;
            watermarks: a_watermark_is_there_until_it_is_removed, another_accounts_watermark_does_not_exist,
                a_quota_counts_what_is_there, a_removed_watermark_waits_for_earlier_requests;
            results: a_result_is_found_until_it_expires, a_job_and_its_result_are_one;
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
