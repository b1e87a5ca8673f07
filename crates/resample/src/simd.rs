//! Selects AVX2 code at run time, as in the crate `pixaven-jpeg`: the compiler vectorises the loops of
//! [`crate::light`], but for x86-64 it may only use SSE2 unless a function is compiled for AVX2.
//!
//! This module has the only `unsafe` block of the crate, which calls a function that is compiled with AVX2.

/// Defines a function that calls `$work` with the best vector instructions of the processor. Only code that
/// is inlined into `$work` is compiled for AVX2. Both versions give the same results, because floating-point
/// operations are neither fused nor reordered.
macro_rules! multiversion {
    (fn $name:ident($($argument:ident: $type:ty),+ $(,)?) = $work:ident) => {
        fn $name($($argument: $type),+) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),+) {
                    $work($($argument),+);
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "the only way to call a function with target features")]
                    // SAFETY: `is_x86_feature_detected!` has detected AVX2, which is the only requirement of
                    // the called function.
                    return unsafe { with_avx2($($argument),+) };
                }
            }
            $work($($argument),+);
        }
    };
}

pub(crate) use multiversion;
