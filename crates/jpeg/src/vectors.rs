//! Wider vectors where the processor has them. The loops of this crate are written so that the compiler makes vectors of
//! them; for x86-64 it may only use those of 2003. Compiled once more for AVX2, the transforms and colours take between
//! half and two thirds of the time; entropy coding gains nothing and is compiled once.
//!
//! The one `unsafe` of the crate is here: calling a function that is compiled for more than every processor can do.

/// Makes a function that calls `work`, compiled for the best vectors there are. Only what is inlined into `work` is: it
/// and everything it calls on its way to a loop have to be `#[inline(always)]`. The results are the same, for floats are
/// neither fused nor reordered.
macro_rules! widest {
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
                    // SAFETY: the processor was just found to have the feature, which is all the function asks for.
                    return unsafe { with_avx2 $(::<$($number),+>)? ($($argument),+) };
                }
            }
            $work $(::<$($number),+>)? ($($argument),+);
        }
    };
}

pub(crate) use widest;
