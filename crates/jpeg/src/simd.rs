//! Selects AVX2 code at run time. The compiler vectorises the loops of this crate, but for x86-64 it may only
//! use SSE2, the vector instructions that every x86-64 processor has. [`multiversion`] therefore compiles
//! some functions a second time for AVX2, which reduces the time of transforms and colour conversions by a
//! third to a half. Entropy coding is not faster with AVX2 and is compiled only once.
//!
//! This module has the only `unsafe` block of the crate, which calls a function that is compiled with AVX2.

/// Defines a function that calls `$work` with the best vector instructions of the processor. Only code that
/// is inlined into `$work` is compiled for AVX2. Therefore `$work` and every function that runs its loops
/// must be `#[inline(always)]`. Both versions give the same results, because floating-point operations are
/// neither fused nor reordered.
macro_rules! multiversion {
    (
        $(#[$attribute:meta])*
        $vis:vis fn $name:ident $(<$(const $number:ident),+>)? ($($argument:ident: $type:ty),+ $(,)?) = $work:ident
    ) => {
        $(#[$attribute])*
        $vis fn $name $(<$(const $number: usize),+>)? ($($argument: $type),+) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2 $(<$(const $number: usize),+>)? ($($argument: $type),+) {
                    $work $(::<$($number),+>)? ($($argument),+);
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "the only way to call a function with target features")]
                    // SAFETY: `is_x86_feature_detected!` has detected AVX2, which is the only requirement of
                    // the called function.
                    return unsafe { with_avx2 $(::<$($number),+>)? ($($argument),+) };
                }
            }
            $work $(::<$($number),+>)? ($($argument),+);
        }
    };
}

pub(crate) use multiversion;
