//! Turns the operations of a parsed request into a [`Plan`]. An operation that changes nothing is not part of
//! the plan.

mod effects;
mod geometry;
mod output;

use pixaven_imaging::Plan;

use super::warnings::Warnings;
use super::{RequestError, table};

/// Builds the plan of a request, without its watermark.
///
/// # Errors
/// If an operation or `output` lacks a required attribute, or if its attributes contradict each other.
pub(super) fn plan(request: &table::Request, warnings: &mut Warnings) -> Result<Plan, RequestError> {
    if request.filter.is_some() && request.stylize.is_some() {
        warnings
            .add("stylize is the older name of filter, which is there too: stylize was ignored".to_owned());
    }
    let filter = request.filter.as_ref().or(request.stylize.as_ref());
    let auto = request.auto.clone().unwrap_or_default();
    Ok(Plan {
        keep_orientation: auto.orient == Some(false),
        flip: request.flip.as_ref().and_then(geometry::flip),
        crop: request.crop.as_ref().map(geometry::crop).transpose()?,
        resize: request.resize.as_ref().map(geometry::resize).transpose()?,
        scale: request.scale.as_ref().map(geometry::scale).transpose()?.flatten(),
        enhance: auto.enhance == Some(true),
        adjust: request.adjust.as_ref().and_then(effects::adjust),
        filter: filter.map(effects::filter).transpose()?.flatten(),
        watermark: None,
        mask: request.mask.as_ref().map(effects::mask).transpose()?,
        border: request.border.as_ref().and_then(effects::border),
        padding: request.padding.as_ref().and_then(geometry::padding),
        output: request.output.as_ref().map(output::output).transpose()?.unwrap_or_default(),
    })
}
