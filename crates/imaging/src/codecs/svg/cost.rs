//! Computes how many pixels rendering a document needs, before memory for them is allocated. Every isolated
//! group has a layer, every mask, clip path and filter has more layers, and every pattern has a tile.

use resvg::usvg::{Fill, Group, ImageKind, Node, NonZeroRect, Paint, Path, Stroke, Tree, filter};

use crate::geometry::Size;
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The largest allowed number of pixels of all layers that are ever drawn, as a multiple of the limit on
/// pixels of an image.
const MAX_WORK: u64 = 10;

/// Largest number of pixels of a layer, as a multiple of the pixels of the canvas. `resvg` clips a layer to
/// five times the width and five times the height of the canvas.
const CANVAS_AND_AROUND: f64 = 25.0;

/// The cost of rendering in pixels. `peak` is the largest number of pixels of all layers that exist at the
/// same time; `work` is the number of pixels of all layers that are ever drawn.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    peak: f64,
    work: f64,
}

impl Cost {
    /// The cost of first drawing the content of `self` and then the content of `next`.
    fn then(self, next: Self) -> Self {
        Self { peak: self.peak.max(next.peak), work: self.work + next.work }
    }

    /// The cost of drawing the content of `self` on a layer of `pixels` pixels, which exists at the same
    /// time.
    fn above(self, pixels: f64) -> Self {
        Self { peak: self.peak + pixels, work: self.work + pixels }
    }
}

/// The scale and the bounds by which the pixels of a layer are counted.
#[derive(Debug, Clone, Copy)]
struct Canvas {
    /// Pixels per unit of the document, horizontally and vertically.
    scale: (f64, f64),
    /// Largest number of pixels of a layer.
    max: f64,
    /// Whether the bounding boxes of layers are in the coordinates of this canvas. If not, the size of a
    /// layer is unknown, and every layer is counted with `max` pixels.
    placed: bool,
}

impl Canvas {
    /// The canvas for content that is drawn on separate layers, each of at most `pixels` pixels.
    fn apart(self, pixels: f64) -> Self {
        Self { max: pixels, placed: false, ..self }
    }

    /// The number of pixels of a layer with this bounding box.
    fn pixels(self, rect: NonZeroRect) -> f64 {
        if !self.placed {
            return self.max;
        }
        // `resvg` extends a layer by two pixels on every side.
        let width = f64::from(rect.width()) * self.scale.0 + 4.0;
        (width * (f64::from(rect.height()) * self.scale.1 + 4.0)).min(self.max)
    }
}

/// Checks the cost of rendering at this scale and size against the limits.
pub(super) fn check_tree(tree: &Tree, scale: (f32, f32), size: Size, limits: &Limits) -> Result<(), Error> {
    let pixels = f64::from(size.width) * f64::from(size.height);
    let scale = (scale.0.into(), scale.1.into());
    let canvas = Canvas { scale, max: pixels * CANVAS_AND_AROUND, placed: true };
    let cost = children(tree.root(), canvas).above(pixels);
    check(Limit::Pixels, limits.pixels, cost.peak as u64)?;
    check(Limit::Pixels, limits.pixels.saturating_mul(MAX_WORK), cost.work as u64)
}

/// The cost of all children of a group.
fn children(group: &Group, canvas: Canvas) -> Cost {
    group.children().iter().fold(Cost::default(), |cost, node| cost.then(self::node(node, canvas)))
}

/// The cost of drawing one node of the tree.
fn node(node: &Node, canvas: Canvas) -> Cost {
    match node {
        Node::Group(group) => self::group(group, canvas),
        Node::Path(path) => self::path(path, canvas),
        Node::Image(image) => match image.kind() {
            ImageKind::SVG(tree) => children(tree.root(), canvas),
            // The pixels of a raster image are added each time it is drawn, because `resvg` decodes it each
            // time.
            _ => Cost::default().above(f64::from(image.size().width()) * f64::from(image.size().height())),
        },
        Node::Text(text) => group(text.flattened(), canvas),
    }
}

/// The cost of a group with its clip paths, masks and filters.
fn group(group: &Group, canvas: Canvas) -> Cost {
    let inner = children(group, canvas);
    if !group.should_isolate() {
        return inner;
    }
    let pixels = canvas.pixels(group.abs_layer_bounding_box());
    let within = canvas.apart(pixels);
    let mut cost = inner;
    let mut clip = group.clip_path();
    while let Some(path) = clip {
        cost = cost.then(children(path.root(), within).above(pixels));
        clip = path.clip_path();
    }
    let mut mask = group.mask();
    while let Some(over) = mask {
        cost = cost.then(children(over.root(), within).above(pixels));
        mask = over.mask();
    }
    for filter in group.filters() {
        cost = cost.then(self::filter(filter, canvas, pixels));
    }
    cost.above(pixels)
}

/// The cost of a filter. The results of all primitives add up, because `resvg` keeps them until the end of
/// the filter.
fn filter(filter: &filter::Filter, canvas: Canvas, layer: f64) -> Cost {
    let mut cost = Cost::default();
    for primitive in filter.primitives() {
        let times = weight(primitive.kind(), canvas, layer);
        let inner = match primitive.kind() {
            filter::Kind::Image(image) => children(image.root(), canvas.apart(layer)),
            _ => Cost::default(),
        };
        cost = Cost { peak: cost.peak + layer + inner.peak, work: cost.work + layer * times + inner.work };
    }
    cost
}

/// How many pixels a primitive reads for each pixel that it writes.
fn weight(kind: &filter::Kind, canvas: Canvas, layer: f64) -> f64 {
    match kind {
        filter::Kind::ConvolveMatrix(matrix) => {
            f64::from(matrix.matrix().columns()) * f64::from(matrix.matrix().rows())
        }
        filter::Kind::Morphology(morphology) => {
            let side = |radius: f32, scale: f64| (2.0 * f64::from(radius) * scale + 1.0).min(layer);
            side(morphology.radius_x().get(), canvas.scale.0)
                * side(morphology.radius_y().get(), canvas.scale.1)
        }
        filter::Kind::Turbulence(turbulence) => 10.0 * f64::from(turbulence.num_octaves().max(1)),
        filter::Kind::Merge(merge) => merge.inputs().len() as f64,
        _ => 4.0,
    }
}

/// The cost of the patterns that fill or stroke a path.
fn path(path: &Path, canvas: Canvas) -> Cost {
    let paints = [path.fill().map(Fill::paint), path.stroke().map(Stroke::paint)];
    paints.into_iter().flatten().fold(Cost::default(), |cost, paint| {
        let Paint::Pattern(pattern) = paint else { return cost };
        let (x, y) = path.abs_transform().pre_concat(pattern.transform()).get_scale();
        let scale = (f64::from(x) * canvas.scale.0, f64::from(y) * canvas.scale.1);
        let tile = Canvas { scale, max: f64::INFINITY, placed: true };
        let pixels = tile.pixels(pattern.rect());
        cost.then(children(pattern.root(), tile.apart(pixels)).above(pixels))
    })
}
