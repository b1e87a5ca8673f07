//! Computes how many pixels rendering a document needs, before memory for them is allocated. Rendering needs
//! one layer for every isolated group, further layers for every mask, clip path and filter, and a tile for
//! every pattern.

use resvg::usvg::{Fill, Group, Image, ImageKind, Node, NonZeroRect, Paint, Path, Stroke, Tree, filter};

use crate::geometry::Size;
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The largest allowed total number of pixels of all layers that `resvg` draws for a document, as a multiple
/// of the limit on pixels of an image.
const MAX_WORK: u64 = 10;

/// The largest number of pixels of a layer, as a multiple of the pixels of the canvas. The factor is 25,
/// because `resvg` clips a layer to five times the width and five times the height of the canvas.
const CANVAS_AND_AROUND: f64 = 25.0;

/// The cost of rendering in pixels. `peak` is the largest number of pixels of all layers that exist at the
/// same time; `work` is the total number of pixels of all layers that are drawn.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    peak: f64,
    work: f64,
}

impl Cost {
    /// Returns the cost of drawing two contents one after the other: first the content that costs `self`,
    /// then the content that costs `next`.
    fn then(self, next: Self) -> Self {
        Self { peak: self.peak.max(next.peak), work: self.work + next.work }
    }

    /// Returns the cost of drawing the content that costs `self` while a layer of `pixels` pixels exists.
    fn above(self, pixels: f64) -> Self {
        Self { peak: self.peak + pixels, work: self.work + pixels }
    }
}

/// The scale and the upper limit with which the pixels of a layer are counted.
#[derive(Debug, Clone, Copy)]
struct Canvas {
    /// The number of pixels per unit of the document's coordinates, horizontally and vertically.
    scale: (f64, f64),
    /// The number of pixels of the layer on which the content is drawn.
    surface: f64,
    /// Largest number of pixels of a layer.
    max: f64,
    /// Whether the bounding boxes of layers are in the coordinates of this canvas. If not, the size of a
    /// layer is unknown, and every layer is counted with `max` pixels.
    placed: bool,
}

impl Canvas {
    /// Returns the canvas for the content of a clip path, mask, filter or pattern, which is drawn on separate
    /// layers of at most `pixels` pixels each.
    fn apart(self, pixels: f64) -> Self {
        Self { surface: pixels, max: pixels, placed: false, ..self }
    }

    /// Returns the number of pixels of a layer with this bounding box.
    fn pixels(self, rect: NonZeroRect) -> f64 {
        if !self.placed {
            return self.max;
        }
        // `resvg` extends a layer by two pixels on every side.
        let width = f64::from(rect.width()) * self.scale.0 + 4.0;
        (width * (f64::from(rect.height()) * self.scale.1 + 4.0)).min(self.max)
    }
}

/// Checks the cost of rendering a document at this scale and size against the limits.
pub(super) fn check_tree(tree: &Tree, scale: (f32, f32), size: Size, limits: &Limits) -> Result<(), Error> {
    let pixels = f64::from(size.width) * f64::from(size.height);
    let scale = (scale.0.into(), scale.1.into());
    let canvas = Canvas { scale, surface: pixels, max: pixels * CANVAS_AND_AROUND, placed: true };
    let cost = children(tree.root(), canvas).above(pixels);
    check(Limit::Pixels, limits.pixels, cost.peak as u64)?;
    check(Limit::Pixels, limits.pixels.saturating_mul(MAX_WORK), cost.work as u64)
}

/// Returns the cost of drawing all children of a group.
fn children(group: &Group, canvas: Canvas) -> Cost {
    group.children().iter().fold(Cost::default(), |cost, node| cost.then(self::node(node, canvas)))
}

/// Returns the cost of drawing one node of the document tree.
fn node(node: &Node, canvas: Canvas) -> Cost {
    match node {
        Node::Group(group) => self::group(group, canvas),
        Node::Path(path) => self::path(path, canvas),
        Node::Image(image) => match image.kind() {
            ImageKind::SVG(tree) => document(tree, image, canvas),
            // The pixels of a raster image are added each time it is drawn, because `resvg` decodes it each
            // time.
            _ => Cost::default().above(f64::from(image.size().width()) * f64::from(image.size().height())),
        },
        Node::Text(text) => group(text.flattened(), canvas),
    }
}

/// Returns the cost of drawing a document in a document. `resvg` draws it on a layer of its own, which is as
/// large as the layer below.
fn document(tree: &Tree, image: &Image, canvas: Canvas) -> Cost {
    let (x, y) = image.abs_transform().get_scale();
    let scale = (f64::from(x) * canvas.scale.0, f64::from(y) * canvas.scale.1);
    let inner = Canvas { scale, max: canvas.surface * CANVAS_AND_AROUND, ..canvas };
    children(tree.root(), inner).above(canvas.surface)
}

/// Returns the cost of drawing a group with its clip paths, masks and filters.
fn group(group: &Group, canvas: Canvas) -> Cost {
    if !group.should_isolate() {
        return children(group, canvas);
    }
    let pixels = canvas.pixels(group.abs_layer_bounding_box());
    let within = canvas.apart(pixels);
    let mut cost = children(group, Canvas { surface: pixels, ..canvas });
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

/// Returns the cost of applying a filter. The results of all primitives of the filter add up, because `resvg`
/// keeps these results until the end of the filter.
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

/// Returns how many pixels a filter primitive reads for each pixel that it writes.
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

/// Returns the cost of drawing the patterns that fill or stroke a path.
fn path(path: &Path, canvas: Canvas) -> Cost {
    let paints = [path.fill().map(Fill::paint), path.stroke().map(Stroke::paint)];
    paints.into_iter().flatten().fold(Cost::default(), |cost, paint| {
        let Paint::Pattern(pattern) = paint else { return cost };
        let (x, y) = path.abs_transform().pre_concat(pattern.transform()).get_scale();
        let scale = (f64::from(x) * canvas.scale.0, f64::from(y) * canvas.scale.1);
        let tile = Canvas { scale, surface: 0.0, max: f64::INFINITY, placed: true };
        let pixels = tile.pixels(pattern.rect());
        cost.then(children(pattern.root(), tile.apart(pixels)).above(pixels))
    })
}
