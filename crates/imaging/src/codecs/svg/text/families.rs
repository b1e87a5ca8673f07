//! The names of font families: generic families, and families whose letters have the same widths.

use resvg::usvg::FontFamily;

/// The family that this crate contains.
pub(super) const EMBEDDED: &str = "Noto Sans";

/// Families in groups. The letters of all families of a group have the same widths, so that a text keeps its
/// layout. The free families stand at the end.
const SAME_WIDTHS: [&[&str]; 6] = [
    &["Arial", "Helvetica", "Helvetica Neue", "Liberation Sans", "Arimo"],
    &["Times New Roman", "Times", "Liberation Serif", "Tinos"],
    &["Courier New", "Courier", "Liberation Mono", "Cousine"],
    &["Calibri", "Carlito"],
    &["Cambria", "Caladea"],
    &["Georgia", "Gelasio"],
];

const SANS_SERIF: &[&str] = &[EMBEDDED];
const SERIF: &[&str] = &["Noto Serif", "Times New Roman", "Liberation Serif", "DejaVu Serif"];
const MONOSPACE: &[&str] = &["Noto Sans Mono", "Courier New", "Liberation Mono", "DejaVu Sans Mono"];
const CURSIVE: &[&str] = &["Comic Sans MS", "Comic Neue"];
const FANTASY: &[&str] = &["Impact"];

/// The families with which a text may be drawn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The first family that the document names, if it is not a generic family.
    pub(super) first: Option<String>,
    /// The families that come before the embedded family, the preferred family first.
    pub(super) before_embedded: Vec<String>,
}

impl Names {
    /// Lists the names for the value of a `font-family` attribute. The embedded family ends every list.
    pub(super) fn of(families: &[FontFamily]) -> Self {
        let first = match families.first() {
            Some(family @ FontFamily::Named(name)) if generic(family).is_none() => Some(name.clone()),
            _ => None,
        };
        let mut before_embedded: Vec<String> = Vec::new();
        for name in families.iter().flat_map(candidates) {
            if name.eq_ignore_ascii_case(EMBEDDED) {
                break;
            }
            if !before_embedded.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                before_embedded.push(name);
            }
        }
        Self { first, before_embedded }
    }
}

/// Lists the families with which one family of a document may be drawn.
fn candidates(family: &FontFamily) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    match (generic(family), family) {
        (Some(names), _) => owned(names),
        (None, FontFamily::Named(name)) => {
            let has_name = |group: &&&[&str]| group.iter().any(|other| other.eq_ignore_ascii_case(name));
            let alike = SAME_WIDTHS.iter().find(has_name).copied().unwrap_or_default();
            std::iter::once(name.clone()).chain(owned(alike)).collect()
        }
        (None, _) => Vec::new(),
    }
}

/// Returns the families with which a generic family is drawn. `None` if the family is not generic. The names of
/// the font of the operating system's user interface are drawn like `sans-serif`.
fn generic(family: &FontFamily) -> Option<&'static [&'static str]> {
    match family {
        FontFamily::Serif => Some(SERIF),
        FontFamily::SansSerif => Some(SANS_SERIF),
        FontFamily::Monospace => Some(MONOSPACE),
        FontFamily::Cursive => Some(CURSIVE),
        FontFamily::Fantasy => Some(FANTASY),
        FontFamily::Named(name) => match name.to_ascii_lowercase().as_str() {
            "serif" | "ui-serif" => Some(SERIF),
            "monospace" | "ui-monospace" => Some(MONOSPACE),
            "sans-serif" | "sans serif" | "sans" | "system-ui" | "ui-sans-serif" | "-apple-system"
            | "blinkmacsystemfont" => Some(SANS_SERIF),
            _ => None,
        },
    }
}
