//! The bound on the bytes of images the server holds in memory, whoever they wait for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Memory for input images, counted in KiB. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    free_kib: Arc<Semaphore>,
    total_kib: u32,
}

impl Memory {
    /// Room for `bytes`, at least 1 KiB.
    pub fn new(bytes: u64) -> Self {
        let total_kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self { free_kib: Arc::new(Semaphore::new(total_kib as usize)), total_kib }
    }

    /// An empty reservation, to be grown while bytes arrive.
    pub fn reserve(&self) -> Reservation {
        Reservation { memory: self.clone(), permit: None, held_bytes: 0 }
    }
}

/// A part of [`Memory`], given back on drop.
pub struct Reservation {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    held_bytes: u64,
}

impl Reservation {
    /// Adds `bytes`, or fails with `overloaded` when that much is not free.
    pub fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let missing_kib = self.missing_kib(bytes);
        if missing_kib > 0 {
            let more = Arc::clone(&self.memory.free_kib).try_acquire_many_owned(missing_kib);
            self.add(more.map_err(|_| super::overloaded())?);
        }
        self.held_bytes += bytes as u64;
        Ok(())
    }

    /// Adds `bytes`, waiting until that much is free. More than there is in all counts as all of it.
    pub async fn grow_when_free(&mut self, bytes: usize) -> Result<(), ApiError> {
        let missing_kib = self.missing_kib(bytes).min(self.memory.total_kib);
        if missing_kib > 0 {
            let more = Arc::clone(&self.memory.free_kib).acquire_many_owned(missing_kib).await;
            self.add(more.map_err(ApiError::internal)?);
        }
        self.held_bytes += bytes as u64;
        Ok(())
    }

    fn missing_kib(&self, more_bytes: usize) -> u32 {
        let needed_kib = (self.held_bytes + more_bytes as u64).div_ceil(1024);
        let held_kib = self.permit.as_ref().map_or(0, |permit| permit.num_permits() as u64);
        u32::try_from(needed_kib.saturating_sub(held_kib)).unwrap_or(u32::MAX)
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(more),
            None => self.permit = Some(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_grows_by_whole_kibibytes_and_comes_back_on_drop() {
        let memory = Memory::new(4096);
        let mut first = memory.reserve();
        for _ in 0..3 {
            first.grow(1000).expect("three times 1,000 bytes fit into 3 KiB");
        }
        let mut second = memory.reserve();
        second.grow(1024).expect("the fourth KiB is free");
        assert!(second.grow(1).is_err(), "nothing is left");
        drop(first);
        second.grow(3000).expect("the first reservation came back");
    }

    #[tokio::test]
    async fn what_is_larger_than_everything_waits_for_everything() {
        let memory = Memory::new(2048);
        let mut huge = memory.reserve();
        huge.grow_when_free(1 << 20).await.expect("counts as all there is");
        assert!(memory.reserve().grow(1).is_err());
    }
}
