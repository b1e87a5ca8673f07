//! Measured values between the qualities at which they were measured.

/// Interpolates linearly between the rows of a table. A row is a quality and its value; the qualities are ascending
/// and begin with 1 and end with 100.
pub(super) fn interpolated<const N: usize>(rows: &[(u8, f64); N], quality: u8) -> f64 {
    let above = rows.partition_point(|row| row.0 < quality).clamp(1, N - 1);
    let ((q0, v0), (q1, v1)) = (rows[above - 1], rows[above]);
    v0 + (f64::from(quality) - f64::from(q0)) / f64::from(q1 - q0) * (v1 - v0)
}
