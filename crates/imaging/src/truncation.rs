//! Files that are cut off: how much of the picture is missing, and whether such a file is accepted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happens with an input that is cut off, so that a part of its picture is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruncatedInput {
    /// The input is refused with [`crate::Error::Truncated`].
    #[default]
    Refuse,
    /// The input is accepted. The missing part is filled in, and a warning says how much is missing.
    Warn,
}

/// The kind of data that a file lacks because it is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingPart {
    /// Pixels: rows, strips, tiles or channels.
    Picture,
    /// Detail of pixels that are all present, in a file that stores a coarse picture first.
    Detail,
    /// Whole frames at the end of an animation.
    Frames,
}

/// How much of its picture a file lacks because the file is cut off.
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
    /// Whether more may be missing, because the file does not state how much there was.
    pub at_least: bool,
}

impl Truncation {
    /// Describes a file that lacks `n_missing` of `n_total` units, such as rows. Returns `None` if nothing is
    /// missing.
    pub(crate) fn new(part: MissingPart, n_missing: u64, n_total: u64) -> Option<Self> {
        let missing_permille = permille(n_missing, n_total);
        (missing_permille > 0).then_some(Self { part, missing_permille, at_least: false })
    }

    /// Describes a file whose picture lacks this share.
    pub(crate) fn of_picture(missing_permille: u16) -> Option<Self> {
        Self::new(MissingPart::Picture, missing_permille.into(), 1000)
    }

    /// States that more may be missing than the share says.
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

/// The share of `n_missing` in `n_total`, in thousandths. The result is 0 only if nothing is missing, and 1000
/// only if everything is missing.
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

/// Thousandths that are shown in percent: in whole numbers, or with one decimal place near 0 % and near 100 %.
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
    fn share_is_rounded_to_neither_nothing_nor_everything() {
        let shown = |n_missing, n_total| Percentage(permille(n_missing, n_total)).to_string();
        assert_eq!(shown(0, 5), "0 %");
        assert_eq!(shown(1, 1_000_000), "0.1 %");
        assert_eq!(shown(1, 3), "33 %");
        assert_eq!(shown(2, 3), "67 %");
        assert_eq!(shown(999_999, 1_000_000), "99.9 %");
        assert_eq!(shown(5, 5), "100 %");
    }

    #[test]
    fn message_names_the_missing_part_and_its_share() {
        let truncation = Truncation::new(MissingPart::Frames, 1, 4).unwrap().or_more();
        assert_eq!(truncation.to_string(), "the file is cut off: at least 25 % of the animation is missing");
        assert_eq!(Truncation::of_picture(0), None);
    }
}
