//! Describes how much of the picture is missing in a file that is cut off, and defines whether such a file is
//! accepted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happens with an input that lacks a part of the picture because the input is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruncatedInput {
    /// The input is refused with [`crate::Error::Truncated`].
    #[default]
    Refuse,
    /// The input is accepted. The missing part of the picture gets a fill colour, and a warning states how
    /// much of the picture is missing.
    Warn,
}

/// The kind of data that a file lacks because it is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingPart {
    /// Pixels: rows, strips, tiles or channels.
    Picture,
    /// Detail. The file stores a coarse picture first, and the data that refine the coarse picture are
    /// missing.
    Detail,
    /// Whole frames at the end of an animation.
    Frames,
}

/// How much of the picture is missing in a file that is cut off.
///
/// A file is cut off if it ends before the data that its own headers announce. Only missing picture data
/// count. A missing end marker and missing bytes after the last pixel do not count, and damaged data inside a
/// file do not count either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// The kind of data that is missing.
    pub part: MissingPart,
    /// The missing share of the picture or of the animation in thousandths, from 1 to 1000.
    pub missing_permille: u16,
    /// Whether `missing_permille` is only a lower bound, because the file does not state the size of the
    /// complete data.
    pub at_least: bool,
}

impl Truncation {
    /// Describes a file that lacks `n_missing` of `n_total` units, such as rows. Returns `None` if nothing is
    /// missing.
    pub(crate) fn new(part: MissingPart, n_missing: u64, n_total: u64) -> Option<Self> {
        let missing_permille = permille(n_missing, n_total);
        (missing_permille > 0).then_some(Self { part, missing_permille, at_least: false })
    }

    /// Describes a file that lacks `missing_permille` thousandths of the picture. Returns `None` if the
    /// number is 0.
    pub(crate) fn of_picture(missing_permille: u16) -> Option<Self> {
        Self::new(MissingPart::Picture, missing_permille.into(), 1000)
    }

    /// Marks `missing_permille` as a lower bound.
    pub(crate) fn or_more(self) -> Self {
        Self { at_least: true, ..self }
    }
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = match self.part {
            MissingPart::Picture => "the picture",
            MissingPart::Detail => "the picture's detail",
            MissingPart::Frames => "the animation",
        };
        let at_least = if self.at_least { "at least " } else { "" };
        write!(
            f,
            "the file is cut off: {at_least}{} of {whole} is missing",
            Percentage(self.missing_permille)
        )
    }
}

/// Returns `n_missing` as a share of `n_total`, in thousandths. The result is 0 only if nothing is missing,
/// and 1000 only if everything is missing.
pub(crate) fn permille(n_missing: u64, n_total: u64) -> u16 {
    if n_missing == 0 || n_total == 0 {
        return 0;
    }
    if n_missing >= n_total {
        return 1000;
    }
    let share = u128::from(n_missing) * 1000 / u128::from(n_total);
    share.clamp(1, 999) as u16
}

/// A number of thousandths that is displayed in percent. Values below 1 % and above 99 % have one decimal
/// place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Percentage(pub(crate) u16);

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            permille @ (1..10 | 991..=999) => write!(f, "{}.{} %", permille / 10, permille % 10),
            permille => write!(f, "{} %", (permille + 5) / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentage_of_a_partly_missing_image_is_never_shown_as_0_or_100_percent() {
        let shown = |n_missing, n_total| Percentage(permille(n_missing, n_total)).to_string();
        assert_eq!(shown(0, 5), "0 %");
        assert_eq!(shown(1, 1_000_000), "0.1 %");
        assert_eq!(shown(1, 3), "33 %");
        assert_eq!(shown(2, 3), "67 %");
        assert_eq!(shown(999_999, 1_000_000), "99.9 %");
        assert_eq!(shown(5, 5), "100 %");
    }

    #[test]
    fn message_about_a_cut_off_animation_states_the_percentage_of_the_animation_that_is_missing() {
        let truncation = Truncation::new(MissingPart::Frames, 1, 4).unwrap().or_more();
        assert_eq!(truncation.to_string(), "the file is cut off: at least 25 % of the animation is missing");
        assert_eq!(Truncation::of_picture(0), None);
    }
}
