//! Compares the ids of the accepted requests with the ids of the webhooks that the receiver got. A request is
//! accepted when the client has read its 202. The server must lose no accepted request.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use crate::webhook_receiver::Delivery;

/// What one run of a load tool counted. The field `duplicates` counts deliveries, and every other field
/// counts request ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    /// The ids of requests that the server accepted: the client has read the whole 202 response.
    pub(crate) accepted: usize,
    /// The ids of accepted requests whose webhook was delivered at least once.
    pub(crate) delivered: usize,
    /// The ids of accepted requests whose webhook was never delivered.
    pub(crate) lost: usize,
    /// Repeated deliveries: all deliveries of a webhook except the first.
    pub(crate) duplicates: usize,
    /// The ids of webhooks whose deliveries had different bodies.
    pub(crate) altered: usize,
    /// The ids of webhooks that were delivered although the client has read no 202 response for their
    /// request. The server had stored the request, but the connection was cut before the client got the
    /// response.
    pub(crate) orphans: usize,
    /// The ids of webhooks whose first delivery reports a failure in its body, or has different ids in its
    /// body and in its header `webhook-id`.
    pub(crate) failed: usize,
}

impl Audit {
    /// Compares the accepted requests with the deliveries of their webhooks, and counts the differences.
    pub(crate) fn new(accepted: &HashMap<Uuid, Instant>, deliveries: &[Delivery]) -> Self {
        let mut first: HashMap<Uuid, &Delivery> = HashMap::new();
        let mut altered = HashSet::new();
        for delivery in deliveries {
            let known = first.entry(delivery.id).or_insert(delivery);
            if known.sha256 != delivery.sha256 {
                altered.insert(delivery.id);
            }
        }
        let delivered = accepted.keys().filter(|id| first.contains_key(id)).count();
        Self {
            accepted: accepted.len(),
            delivered,
            lost: accepted.len() - delivered,
            duplicates: deliveries.len() - first.len(),
            altered: altered.len(),
            orphans: first.len() - delivered,
            failed: first.values().filter(|delivery| !delivery.success).count(),
        }
    }
}

/// Returns the ids of the accepted requests whose webhook was never delivered.
pub(crate) fn lost_ids(accepted: &HashMap<Uuid, Instant>, deliveries: &[Delivery]) -> Vec<Uuid> {
    let delivered: HashSet<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
    accepted.keys().filter(|id| !delivered.contains(id)).copied().collect()
}

/// Measures, for each delivered webhook, the time from the moment at which the client had read the 202 to the
/// first delivery. The time is zero if the webhook arrives before the client has read the 202.
pub(crate) fn delivery_times(accepted: &HashMap<Uuid, Instant>, deliveries: &[Delivery]) -> Vec<Duration> {
    let mut first: HashMap<Uuid, Instant> = HashMap::new();
    for delivery in deliveries {
        first.entry(delivery.id).or_insert(delivery.at);
    }
    let time = |(id, at): (&Uuid, &Instant)| Some(first.get(id)?.saturating_duration_since(*at));
    accepted.iter().filter_map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(id: u128, body: u8, at: Instant) -> Delivery {
        Delivery { id: Uuid::from_u128(id), sha256: [body; 32], at, attempt: 1, success: body != 0 }
    }

    #[test]
    fn the_audit_of_deliveries_counts_lost_duplicate_altered_unaccepted_and_failed_webhooks() {
        let t = Instant::now();
        let accepted = [1, 2, 3, 4, 5].map(|id| (Uuid::from_u128(id), t)).into();
        // Id 1 is delivered once, id 2 twice with the same body, id 3 three times with two different bodies,
        // and id 4 never. Id 5 is delivered with a failure. Id 6 is delivered, but was not accepted.
        let deliveries = [(1, 1), (2, 1), (2, 1), (3, 1), (3, 2), (3, 2), (5, 0), (6, 1)];
        let deliveries = deliveries.map(|(id, body)| delivery(id, body, t));
        let audit = Audit::new(&accepted, &deliveries);
        let expected =
            Audit { accepted: 5, delivered: 4, lost: 1, duplicates: 3, altered: 1, orphans: 1, failed: 1 };
        assert_eq!(audit, expected);
        assert_eq!(lost_ids(&accepted, &deliveries), [Uuid::from_u128(4)]);
    }

    #[test]
    fn the_delivery_time_of_a_webhook_ends_at_its_first_delivery_and_is_never_negative() {
        let t = Instant::now();
        let ms = Duration::from_millis;
        let accepted = [(Uuid::from_u128(1), t), (Uuid::from_u128(2), t + ms(9))].into();
        let deliveries = [delivery(1, 1, t + ms(5)), delivery(2, 1, t), delivery(1, 1, t + ms(50))];
        let mut times = delivery_times(&accepted, &deliveries);
        times.sort_unstable();
        assert_eq!(times, [ms(0), ms(5)]);
    }
}
