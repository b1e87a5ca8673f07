//! The settings of pixaven's encoders at which a photograph looks as good as a JPEG of a quality. They are the
//! columns of `quality_scale.rs` in the crate `pixaven-imaging`.

use std::collections::BTreeSet;

use pixaven_imaging::encoder_setting;
use pixaven_imaging::plan::Format;

use super::series::{Point, Series};
use crate::percentiles::median;
use crate::report::Table;

/// The name of the encoder whose settings are shown: pixaven's own with the default effort.
const ENCODER: &str = "pixaven";

/// Creates a table with a row for each format and each quality of JPEG. It is empty if JPEG was not measured.
pub(super) fn table(all: &[Series]) -> Table {
    let mut table = Table::new(&["format", "quality", "setting", "lowest", "highest", "now"]);
    let ours = all.iter().filter(|series| series.encoder == ENCODER);
    let Some(jpeg) = ours.clone().find(|series| series.format == Format::Jpeg.name()) else { return table };
    let qualities: BTreeSet<u8> = jpeg.photos.values().flatten().filter_map(|point| point.quality).collect();
    for series in ours {
        let Some(format) = Format::written().find(|format| format.name() == series.format) else { continue };
        if format == Format::Jpeg {
            continue;
        }
        for &quality in &qualities {
            let mut settings = settings(jpeg, series, format, quality);
            settings.sort_by(f64::total_cmp);
            let (Some(lowest), Some(highest)) = (settings.first().copied(), settings.last().copied()) else {
                continue;
            };
            let middle = median(settings).unwrap_or(lowest);
            let now = encoder_setting(format, quality);
            table.push(vec![
                series.format.clone(),
                quality.to_string(),
                format!("{middle:.1}"),
                format!("{lowest:.1}"),
                format!("{highest:.1}"),
                format!("{now:.1}"),
            ]);
        }
    }
    table
}

/// Returns, for each photograph, the setting at which a file of `series` has the score of the JPEG of `quality`.
fn settings(jpeg: &Series, series: &Series, format: Format, quality: u8) -> Vec<f64> {
    let of_photo = |(name, points): (&String, &Vec<Point>)| {
        let wanted = jpeg.photos.get(name)?.iter().find(|point| point.quality == Some(quality))?;
        let mut known: Vec<(f64, f64)> = (points.iter())
            .filter_map(|point| Some((point.score, f64::from(encoder_setting(format, point.quality?)))))
            .collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        setting_at(&known, wanted.score)
    };
    series.photos.iter().filter_map(of_photo).collect()
}

/// Interpolates linearly between pairs of a score and a setting, which are sorted by their scores. Beyond the first
/// and the last pair, the nearest two pairs are extrapolated to a setting between 1 and 100. Returns `None` if
/// there are fewer than two pairs.
fn setting_at(known: &[(f64, f64)], score: f64) -> Option<f64> {
    let above = known.partition_point(|pair| pair.0 < score).clamp(1, known.len().max(2) - 1);
    let (&(x0, y0), &(x1, y1)) = (known.get(above - 1)?, known.get(above)?);
    let share = if x1 > x0 { (score - x0) / (x1 - x0) } else { 0.0 };
    Some((y0 + share * (y1 - y0)).clamp(1.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_with_the_score_of_a_jpeg_is_interpolated_and_extrapolated_to_the_range_of_settings() {
        let known = [(50.0, 40.0), (70.0, 60.0), (80.0, 90.0)];
        let at = |score| setting_at(&known, score).unwrap();
        assert_eq!((at(50.0), at(60.0), at(75.0)), (40.0, 50.0, 75.0));
        assert_eq!((at(40.0), at(0.0), at(82.0), at(99.0)), (30.0, 1.0, 96.0, 100.0));
        assert_eq!(setting_at(&known[..1], 50.0), None);
    }
}
