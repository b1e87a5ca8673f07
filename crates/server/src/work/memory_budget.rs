//! Limits how many bytes of input images the server holds in memory at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit on the memory that input images may occupy together, counted in KiB. A clone is cheap, and all
/// clones share one limit.
#[derive(Clone)]
pub struct MemoryBudget {
    free_kib: Arc<Semaphore>,
    total_kib: u32,
}

/// The error that is returned if a reservation needs more memory than the budget has free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for images is used up")]
pub struct BudgetExceeded;

impl MemoryBudget {
    /// Creates a budget of `bytes`, rounded down to whole KiB, but at least 1 KiB.
    pub fn new(bytes: u64) -> Self {
        let total_kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self { free_kib: Arc::new(Semaphore::new(total_kib as usize)), total_kib }
    }

    /// Returns whether the budget has `bytes` free at the moment, or is completely free. Nothing is reserved.
    pub fn can_hold(&self, bytes: u64) -> bool {
        let free_kib = self.free_kib.available_permits() as u64;
        bytes.div_ceil(1024).min(self.total_kib.into()) <= free_kib
    }

    /// Creates a reservation of 0 bytes. Its owner enlarges the reservation while the bytes of an image
    /// arrive.
    pub fn reserve(&self) -> MemoryReservation {
        MemoryReservation { budget: self.clone(), permit: None, held_bytes: 0 }
    }
}

/// Memory that is reserved from a [`MemoryBudget`]. Dropping the reservation returns its memory to the
/// budget.
pub struct MemoryReservation {
    budget: MemoryBudget,
    permit: Option<OwnedSemaphorePermit>,
    held_bytes: u64,
}

impl MemoryReservation {
    /// Enlarges the reservation by `bytes` bytes.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if the budget has less than `bytes` free. The reservation is then unchanged.
    pub fn grow(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        let missing_kib = self.missing_kib(bytes);
        if missing_kib > 0 {
            let added = Arc::clone(&self.budget.free_kib).try_acquire_many_owned(missing_kib);
            self.add(added.map_err(|_| BudgetExceeded)?);
        }
        self.held_bytes += bytes as u64;
        Ok(())
    }

    /// Waits until the budget has `bytes` bytes free, and enlarges the reservation by them. If `bytes` is
    /// more than the whole budget, the reservation takes the whole budget.
    pub async fn grow_when_free(&mut self, bytes: usize) {
        let missing_kib = self.missing_kib(bytes).min(self.budget.total_kib);
        if missing_kib > 0 {
            let added = Arc::clone(&self.budget.free_kib).acquire_many_owned(missing_kib).await;
            self.add(added.expect("the semaphore of a budget is never closed"));
        }
        self.held_bytes += bytes as u64;
    }

    fn missing_kib(&self, added_bytes: usize) -> u32 {
        let needed_kib = (self.held_bytes + added_bytes as u64).div_ceil(1024);
        let held_kib = self.permit.as_ref().map_or(0, |permit| permit.num_permits() as u64);
        u32::try_from(needed_kib.saturating_sub(held_kib)).unwrap_or(u32::MAX)
    }

    fn add(&mut self, added: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(added),
            None => self.permit = Some(added),
        }
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
    async fn a_memory_reservation_larger_than_the_budget_takes_the_whole_budget() {
        let budget = MemoryBudget::new(2048);
        let mut huge = budget.reserve();
        huge.grow_when_free(1 << 20).await;
        assert!(budget.reserve().grow(1).is_err());
    }
}
