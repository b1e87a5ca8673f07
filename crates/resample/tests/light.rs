//! The tests of the module `light`, which are in the module. A program with the unit tests of the whole crate would be a
//! second compilation of all kernels, so this program contains only `light` and the modules that it needs.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "the modules belong to a library, which uses and exports more of them"
)]

#[path = "../src/light.rs"]
mod light;
#[path = "../src/simd.rs"]
mod simd;
#[path = "../src/srgb.rs"]
mod srgb;
#[path = "../src/weights.rs"]
mod weights;

use pixaven_resample::SourceWindow;
