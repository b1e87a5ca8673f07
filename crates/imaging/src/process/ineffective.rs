//! Warnings about settings of the output that the chosen format cannot obey.

use crate::info::ImageInfo;
use crate::plan::{Output, TargetFormat};

/// Returns a warning for each of the settings `quality` and `lossless` that had no effect on the file `written`.
/// If the format was chosen automatically, no warning is needed, because the settings influenced the choice.
pub(super) fn warnings(output: &Output, written: &ImageInfo) -> Vec<String> {
    if output.format == TargetFormat::Auto {
        return Vec::new();
    }
    let name = written.format.name();
    match written.quality {
        None if output.quality.is_some() && output.lossless => {
            vec!["output.quality had no effect, because output.lossless is true".to_owned()]
        }
        None if output.quality.is_some() => {
            vec![format!("output.quality had no effect: {name} files have no quality")]
        }
        Some(quality) if output.lossless => {
            vec![format!(
                "output.lossless had no effect: this server writes {name} files only with loss; this one has the \
                 quality {quality}"
            )]
        }
        _ => Vec::new(),
    }
}
