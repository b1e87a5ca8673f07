//! Limits how many bytes of images, requests and results the server holds in memory at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

/// A limit on the memory that images, requests and results may occupy together, counted in KiB. A clone is
/// cheap, and all clones share one limit.
#[derive(Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    /// One permit for each free KiB. A reservation takes its permits out of the semaphore for good, and adds
    /// permits when it returns memory.
    free_kib: Semaphore,
    /// The memory, in KiB, that results occupy beyond the budget. Memory that is returned to the budget first
    /// reduces this number.
    debt_kib: Mutex<usize>,
    total_kib: usize,
}

/// The error that is returned if a reservation needs more memory than the budget has free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for images is used up")]
pub struct BudgetExceeded;

impl MemoryBudget {
    /// Creates a budget of `bytes`, rounded down to whole KiB, but at least 1 KiB.
    pub fn new(bytes: u64) -> Self {
        let total_kib = usize::try_from(bytes / 1024).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let free_kib = Semaphore::new(total_kib);
        Self { shared: Arc::new(Shared { free_kib, debt_kib: Mutex::new(0), total_kib }) }
    }

    /// Returns whether the budget has `bytes` free at the moment, or is completely free. Nothing is reserved.
    pub fn can_hold(&self, bytes: u64) -> bool {
        let free_kib = self.shared.free_kib.available_permits() as u64;
        bytes.div_ceil(1024).min(self.shared.total_kib as u64) <= free_kib
    }

    /// Creates a reservation of 0 bytes. Its owner enlarges the reservation while the bytes of an image
    /// arrive.
    pub fn reserve(&self) -> MemoryReservation {
        MemoryReservation { budget: self.clone(), held_kib: 0, held_bytes: 0 }
    }

    /// Counts `bytes` until the last clone of the returned bytes is dropped. If the budget has too little
    /// memory free, the bytes are counted anyway, and the budget has nothing free until other memory is
    /// returned.
    pub fn count(&self, bytes: Bytes) -> Bytes {
        let mut reservation = self.reserve();
        let missing_kib = reservation.missing_kib(bytes.len());
        let taken_kib = self.shared.free_kib.forget_permits(missing_kib);
        *self.shared.debt_kib.lock().unwrap_or_else(PoisonError::into_inner) += missing_kib - taken_kib;
        reservation.held_kib = missing_kib;
        reservation.held_bytes = bytes.len();
        reservation.attach_to(bytes)
    }
}

/// Memory that is reserved from a [`MemoryBudget`]. Dropping the reservation returns its memory to the
/// budget.
pub struct MemoryReservation {
    budget: MemoryBudget,
    held_kib: usize,
    held_bytes: usize,
}

impl MemoryReservation {
    /// Enlarges the reservation by `bytes` bytes.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if the budget has less than `bytes` free. The reservation is then unchanged.
    pub fn grow(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        self.resize(self.held_bytes.saturating_add(bytes))
    }

    /// Changes the reservation to `bytes` bytes. A reservation that needs more than the whole budget takes
    /// the whole budget.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if the budget has too little memory free. The reservation is then unchanged.
    pub fn resize(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        let missing_kib = self.missing_kib(bytes);
        if missing_kib > 0 {
            let missing_kib = u32::try_from(missing_kib).map_err(|_| BudgetExceeded)?;
            let free_kib = &self.budget.shared.free_kib;
            free_kib.try_acquire_many(missing_kib).map_err(|_| BudgetExceeded)?.forget();
            self.held_kib += missing_kib as usize;
        } else {
            self.give_back(self.held_kib - bytes.div_ceil(1024).min(self.held_kib));
        }
        self.held_bytes = bytes;
        Ok(())
    }

    /// Waits until the budget has `bytes` bytes free, and enlarges the reservation by them. A reservation
    /// that needs more than the whole budget takes the whole budget.
    pub async fn grow_when_free(&mut self, bytes: usize) {
        let needed_bytes = self.held_bytes.saturating_add(bytes);
        let missing_kib = u32::try_from(self.missing_kib(needed_bytes)).unwrap_or(u32::MAX);
        let acquired = self.budget.shared.free_kib.acquire_many(missing_kib).await;
        acquired.expect("the semaphore of a budget is never closed").forget();
        self.held_kib += missing_kib as usize;
        self.held_bytes = needed_bytes;
    }

    /// Returns bytes whose memory stays reserved until the last clone of them is dropped.
    pub fn attach_to(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Counted { bytes, _reservation: self })
    }

    /// Returns the KiB that a reservation of `bytes` bytes needs in addition.
    fn missing_kib(&self, bytes: usize) -> usize {
        bytes.div_ceil(1024).min(self.budget.shared.total_kib).saturating_sub(self.held_kib)
    }

    fn give_back(&mut self, kib: usize) {
        let shared = &self.budget.shared;
        let mut debt_kib = shared.debt_kib.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_kib = kib.min(*debt_kib);
        *debt_kib -= paid_kib;
        shared.free_kib.add_permits(kib - paid_kib);
        self.held_kib -= kib;
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        self.give_back(self.held_kib);
    }
}

/// Bytes together with the reservation that counts them.
struct Counted {
    bytes: Bytes,
    _reservation: MemoryReservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_reservation_grows_in_whole_kib_and_returns_its_memory_on_drop() {
        let budget = MemoryBudget::new(4096);
        let mut first = budget.reserve();
        for _ in 0..3 {
            first.grow(1000).expect("3 × 1,000 bytes fit into 3 KiB");
        }
        let mut second = budget.reserve();
        second.grow(1024).expect("the fourth KiB is free");
        assert!(second.grow(1).is_err(), "the budget is used up");
        drop(first);
        second.grow(3000).expect("the first reservation returned its memory");
    }

    #[tokio::test]
    async fn a_memory_reservation_larger_than_the_memory_budget_takes_the_whole_memory_budget() {
        let budget = MemoryBudget::new(2048);
        let mut huge = budget.reserve();
        huge.grow_when_free(1 << 20).await;
        assert!(budget.reserve().grow(1).is_err());
    }

    #[test]
    fn a_memory_reservation_that_shrinks_returns_its_memory_at_once() {
        let budget = MemoryBudget::new(4096);
        let (mut first, mut second) = (budget.reserve(), budget.reserve());
        first.resize(4096).expect("the budget is unused");
        assert_eq!(second.resize(2048), Err(BudgetExceeded));
        first.resize(2048).expect("a reservation can always shrink");
        second.resize(2048).expect("the first reservation returned 2 KiB");
        assert_eq!(second.resize(3072), Err(BudgetExceeded));
    }

    #[test]
    fn a_result_uses_the_memory_budget_until_its_last_clone_is_dropped_even_if_it_exceeded_the_budget() {
        let budget = MemoryBudget::new(4096);
        let mut input = budget.reserve();
        input.resize(3072).expect("the budget is unused");
        let result = budget.count(vec![0; 2048].into());
        let clone = result.clone();
        drop(result);
        drop(input);
        let mut next = budget.reserve();
        assert_eq!(next.resize(3072), Err(BudgetExceeded), "the clone holds 2 KiB");
        next.resize(2048).expect("2 KiB are free");
        drop(clone);
        next.resize(4096).expect("the result is dropped");
    }
}
