//! Joins what the client saw accepted with what the receiver got: the promise "nothing accepted is ever lost",
//! counted.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use crate::receiver::Delivery;

/// The outcome of a run. All of it counts ids, except `duplicates`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    /// The client read the whole 202.
    pub(crate) accepted: usize,
    /// Accepted, and the receiver got it at least once.
    pub(crate) delivered: usize,
    /// Accepted, but the receiver never got it.
    pub(crate) lost: usize,
    /// Deliveries beyond the first of their id.
    pub(crate) duplicates: usize,
    /// Ids of which two deliveries differed in their bytes.
    pub(crate) altered: usize,
    /// Delivered without the client having read a 202: the connection was cut after the commit.
    pub(crate) orphans: usize,
    /// Delivered with the report of a failure, or under another id than the payload's.
    pub(crate) failed: usize,
}

impl Audit {
    /// Counts.
    pub(crate) fn of(accepted: &HashMap<Uuid, Instant>, deliveries: &[Delivery]) -> Self {
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

/// The accepted ids that the receiver never got.
pub(crate) fn lost(accepted: &HashMap<Uuid, Instant>, deliveries: &[Delivery]) -> Vec<Uuid> {
    let delivered: HashSet<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
    accepted.keys().filter(|id| !delivered.contains(id)).copied().collect()
}

/// From the client's 202 to the first delivery, for each that was delivered. A webhook may overtake its 202: zero.
pub(crate) fn delays(accepted: &HashMap<Uuid, Instant>, deliveries: &[Delivery]) -> Vec<Duration> {
    let mut first: HashMap<Uuid, Instant> = HashMap::new();
    for delivery in deliveries {
        first.entry(delivery.id).or_insert(delivery.at);
    }
    let delay = |(id, at): (&Uuid, &Instant)| Some(first.get(id)?.saturating_duration_since(*at));
    accepted.iter().filter_map(delay).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(id: u128, body: u8, at: Instant) -> Delivery {
        Delivery { id: Uuid::from_u128(id), sha256: [body; 32], at, attempt: 1, success: body != 0 }
    }

    #[test]
    fn every_kind_of_outcome_is_told_apart() {
        let t = Instant::now();
        let accepted = [1, 2, 3, 4, 5].map(|id| (Uuid::from_u128(id), t)).into();
        // 1 once, 2 twice alike, 3 three times and different, 4 never, 5 as a failure, 6 was never acknowledged.
        let deliveries = [(1, 1), (2, 1), (2, 1), (3, 1), (3, 2), (3, 2), (5, 0), (6, 1)];
        let deliveries = deliveries.map(|(id, body)| delivery(id, body, t));
        let audit = Audit::of(&accepted, &deliveries);
        let expected =
            Audit { accepted: 5, delivered: 4, lost: 1, duplicates: 3, altered: 1, orphans: 1, failed: 1 };
        assert_eq!(audit, expected);
        assert_eq!(lost(&accepted, &deliveries), [Uuid::from_u128(4)]);
    }

    #[test]
    fn the_first_delivery_counts_and_may_overtake_its_202() {
        let t = Instant::now();
        let ms = Duration::from_millis;
        let accepted = [(Uuid::from_u128(1), t), (Uuid::from_u128(2), t + ms(9))].into();
        let deliveries = [delivery(1, 1, t + ms(5)), delivery(2, 1, t), delivery(1, 1, t + ms(50))];
        let mut delays = delays(&accepted, &deliveries);
        delays.sort_unstable();
        assert_eq!(delays, [ms(0), ms(5)]);
    }
}
