//! Declares every object and attribute of a request, with the accepted values, the default and the meaning.
//! The parser, its error messages, the warnings about unknown names and `docs/requests.md` are all derived
//! from these declarations. The rules that concern several attributes are in the modules that build the
//! `Spec`.

mod effect_amount;
mod effects;
mod geometry;
mod output;
mod store;
mod watermark;

use pixaven_imaging::plan::Gravity;
use url::Url;

pub(super) use effects::{Adjust, Auto, Blur, BlurMode, Border, Duotone, Filter, Mask, MaskShape};
pub(super) use geometry::{Crop, CropMode, Flip, Padding, Resize, Scale};
pub(super) use output::{Cdn, Output, Response, Webhook};
pub(super) use store::{NO_ACL, PROVIDERS, Provider, Store};
pub(super) use watermark::Watermark;

use super::headers::HeaderFields;
use super::schema::{object, object_schema};
use super::value_types::{Choice, WebUrl};

object_schema! {
    /// A request consists of these attributes. `fetch` requires `url`. Everything else is optional.
    Request {
        url: Url = WebUrl, "", "the URL of the image (`fetch` only)";
        headers: Vec<(String, String)> = HeaderFields, "", "HTTP headers to send to the image's server (`fetch` only)";
        flip: Flip = geometry::FLIP, "", "mirrors the image";
        crop: Crop = object::<Crop>(), "", "cuts a rectangle out of the image";
        resize: Resize = object::<Resize>(), "", "changes the size to a number of pixels";
        scale: Scale = object::<Scale>(), "", "changes the size by a factor";
        auto: Auto = object::<Auto>(), "", "corrections that follow from the image itself";
        adjust: Adjust = object::<Adjust>(), "", "changes tone and colour";
        filter: Filter = object::<Filter>(), "", "applies effects";
        stylize: Filter = object::<Filter>(), "", "the older name of `filter`";
        watermark: Watermark = object::<Watermark>(), "", "lays another picture over the image";
        mask: Mask = object::<Mask>(), "", "cuts the image to a shape";
        border: Border = object::<Border>(), "", "draws a frame inside the image's bounds";
        padding: Padding = object::<Padding>(), "", "enlarges the canvas";
        output: Output = object::<Output>(), "", "how the result is encoded";
        response: Response = object::<Response>(), "", "the kind of answer";
        webhook: Webhook = object::<Webhook>(), "", "the server answers at once and sends the result to this receiver later";
        store: Store = object::<Store>(), "", "the server stores the result in this bucket of yours";
        cdn: Cdn = object::<Cdn>(), "", "delivery through a CDN";
    }
}

/// The keywords for a gravity, which says what part of an image is kept or where a watermark is put. The two
/// keywords for faces come last, so that [`GRAVITY_WITHOUT_FACES`] can drop them.
const GRAVITIES: &[(&str, Gravity)] = &[
    ("center", Gravity::Center),
    ("top-left", Gravity::TopLeft),
    ("top", Gravity::Top),
    ("top-right", Gravity::TopRight),
    ("right", Gravity::Right),
    ("bottom-right", Gravity::BottomRight),
    ("bottom", Gravity::Bottom),
    ("bottom-left", Gravity::BottomLeft),
    ("left", Gravity::Left),
    ("face", Gravity::Face),
    ("faces", Gravity::Faces),
];
/// The value type of a gravity that selects the part of the image to keep, for example the part around the
/// largest face.
const GRAVITY: Choice<Gravity> = Choice { keywords: GRAVITIES, unsupported: &[] };
/// The value type of a gravity that selects where to put a watermark. The keywords `face` and `faces` are not
/// accepted.
const GRAVITY_WITHOUT_FACES: Choice<Gravity> = Choice { keywords: GRAVITIES.split_at(9).0, unsupported: &[] };
