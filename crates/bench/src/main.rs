//! Load and fault tools.
fn main() {}
