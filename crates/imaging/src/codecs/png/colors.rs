//! Reads the chunks that describe the colour space of a PNG (ISO/IEC 15948, 11.3.2), except the ICC profile,
//! which `text.rs` decompresses. If several chunks describe the colour space, the first of these wins:
//! `cICP`, `iCCP`, `sRGB`, `gAMA` together with `cHRM` (ISO/IEC 15948:2025, 4.3).

use super::scan::chunks;
use crate::color::{Chromaticities, cicp_profile, gamma_profile};

/// The unit of the values in the chunks `gAMA` and `cHRM`.
const UNIT: f64 = 1.0 / 100_000.0;

/// What the chunks before the picture data state.
#[derive(Default)]
struct Stated {
    cicp: Option<[u8; 4]>,
    srgb: bool,
    gamma: Option<f64>,
    chromaticities: Option<Chromaticities>,
}

/// Returns an ICC profile for the colours of a PNG, or `None` if the colours are sRGB or nothing is stated.
/// `embedded` is the profile of the chunk `iCCP`. Adds a warning for a chunk that cannot be used.
pub(super) fn profile(
    input: &[u8],
    embedded: Option<Vec<u8>>,
    is_gray: bool,
    warnings: &mut Vec<String>,
) -> Option<Vec<u8>> {
    let stated = read(input);
    match stated.cicp {
        Some([primaries, transfer, 0, 1]) => {
            return cicp_profile(primaries.into(), transfer.into(), is_gray);
        }
        Some(_) => warnings.push("the chunk `cICP` was ignored: it is not for RGB of full range".to_owned()),
        None => {}
    }
    if embedded.is_some() || stated.srgb {
        return embedded;
    }
    match gamma_profile(stated.gamma, stated.chromaticities, is_gray) {
        Ok(profile) => profile,
        Err(reason) => {
            warnings.push(format!("the colour space of the PNG was ignored: {reason}"));
            None
        }
    }
}

/// Reads the chunks before the picture data. If a chunk is repeated, the first one counts. A chunk of the
/// wrong length is ignored.
fn read(input: &[u8]) -> Stated {
    let mut stated = Stated::default();
    for (kind, data) in chunks(input).take_while(|(kind, _)| kind != b"IDAT") {
        match &kind {
            b"cICP" => stated.cicp = stated.cicp.or(data.try_into().ok()),
            b"sRGB" => stated.srgb = true,
            b"gAMA" => {
                let value = data.try_into().ok().map(u32::from_be_bytes);
                stated.gamma = stated.gamma.or(value.map(|value| f64::from(value) * UNIT));
            }
            b"cHRM" => stated.chromaticities = stated.chromaticities.or_else(|| chromaticities(data)),
            _ => {}
        }
    }
    stated
}

/// Parses the chunk `cHRM`: x and y of the white point, of red, of green and of blue.
fn chromaticities(data: &[u8]) -> Option<Chromaticities> {
    let (numbers, []) = data.as_chunks::<4>() else { return None };
    let &[wx, wy, rx, ry, gx, gy, bx, by] = numbers else { return None };
    let point = |x, y| [x, y].map(|number| f64::from(u32::from_be_bytes(number)) * UNIT);
    Some(Chromaticities {
        white: point(wx, wy),
        red: point(rx, ry),
        green: point(gx, gy),
        blue: point(bx, by),
    })
}
