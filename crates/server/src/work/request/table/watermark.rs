//! Declares the object `watermark`.

use pixaven_imaging::plan::{Gravity, Length};
use url::Url;

use super::{GRAVITY_WITHOUT_FACES, object_schema};
use crate::work::request::value_types::{Boolean, Integer, Number, PixelsOrPercent, WatermarkId, WebUrl};

/// The largest coordinate of a watermark, in pixels. It equals the longest side that `resize` accepts.
const MAX_COORDINATE_PX: i32 = 20_000;

object_schema! {
    /// Lays another picture over the image. The picture is either an uploaded watermark, named by its `id`,
    /// or the picture at a `url`. The first frame of the picture is laid over every frame of the image.
    Watermark {
        id: String = WatermarkId, "", "an uploaded watermark";
        url: Url = WebUrl, "", "the URL of the picture, instead of `id`";
        gravity: Gravity = GRAVITY_WITHOUT_FACES, "center", "where the picture lies";
        padding: u32 = Integer(0_u32, 20_000), "0", "pixels between the picture and the edges where `gravity` puts it, and between tiles";
        x: i32 = Integer(-MAX_COORDINATE_PX, MAX_COORDINATE_PX), "", "left edge in pixels, instead of `gravity`";
        y: i32 = Integer(-MAX_COORDINATE_PX, MAX_COORDINATE_PX), "", "upper edge in pixels, instead of `gravity`";
        width: Length = PixelsOrPercent, "", "width of the picture in pixels, or in percent of the image's width; by default in proportion to `height`";
        height: Length = PixelsOrPercent, "", "height of the picture in pixels, or in percent of the image's height; by default in proportion to `width`; without `width` and `height` the picture keeps its own size";
        opacity: f64 = Number(0.0, 100.0), "100", "opacity of the picture, in percent";
        tile: bool = Boolean, "false", "repeats the picture over the whole image";
    }
}
