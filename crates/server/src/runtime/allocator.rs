//! Makes the allocator of glibc return large buffers to the operating system as soon as they are freed: always in
//! the server, and in an image worker while it processes a large image. This is the only module of the server with
//! `unsafe` code. ADR 22 compares this setting with other allocators.

/// The size from which glibc allocates a buffer as a memory mapping of its own, in bytes.
///
/// 128 KiB is also the initial default of glibc, but glibc raises its default up to 32 MiB when a program
/// frees a larger mapping. After such a raise, glibc allocates large buffers in heaps. A heap keeps freed
/// memory, and a buffer in a heap grows by copying instead of by remapping.
const MAPPED_BYTES: i32 = 128 << 10;

/// Sets the size from which buffers are returned to the system. On systems without glibc, the function does
/// nothing. Must be called while the process has only one thread.
pub fn return_large_buffers() {
    if !map_buffers_from(MAPPED_BYTES) {
        tracing::warn!("the allocator refused its setting; the server may keep freed memory");
    }
}

/// Sets the size in bytes from which glibc allocates a buffer as a memory mapping of its own. Returns whether the
/// allocator accepted the size. On systems without glibc, the function does nothing and returns `true`. Must be
/// called while the process has only one thread.
pub fn map_buffers_from(n_bytes: i32) -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc offers this setting only as a C function")]
        // SAFETY: `mallopt` takes two integers and changes only settings of the allocator. The process has
        // one thread, so no other thread allocates memory at the same time.
        let is_set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, n_bytes) };
        is_set != 0
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = n_bytes;
        true
    }
}
