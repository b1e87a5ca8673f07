//! How many pixels a document is drawn with: every group that is put together by itself has a layer, every
//! mask, clip and filter has more, every pattern a tile. Counted before the first of them exists.

use resvg::usvg::{Fill, Group, ImageKind, Node, NonZeroRect, Paint, Path, Stroke, Tree, filter};

use crate::geometry::Size;
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// How many times the pixels of the largest image all layers may have together, one after the other.
const MAX_WORK: u64 = 10;

/// A layer is cut to the canvas and twice its sides around.
const CANVAS_AND_AROUND: f64 = 25.0;

/// Pixels, of all layers that exist at one time, and of all that ever do.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    peak: f64,
    work: f64,
}

impl Cost {
    /// This, and after it another.
    fn then(self, next: Self) -> Self {
        Self { peak: self.peak.max(next.peak), work: self.work + next.work }
    }

    /// This while another layer of so many pixels exists.
    fn above(self, pixels: f64) -> Self {
        Self { peak: self.peak + pixels, work: self.work + pixels }
    }
}

/// What the pixels of a layer are counted by.
#[derive(Debug, Clone, Copy)]
struct Canvas {
    /// Pixels to a unit of the document.
    scale: (f64, f64),
    /// The most that a layer has.
    max: f64,
    /// Whether boxes tell where on it things are; if not, each layer counts as large as it can be.
    placed: bool,
}

impl Canvas {
    /// For what is drawn apart, to be laid over so many pixels.
    fn apart(self, pixels: f64) -> Self {
        Self { max: pixels, placed: false, ..self }
    }

    fn pixels(self, rect: NonZeroRect) -> f64 {
        if !self.placed {
            return self.max;
        }
        // Two pixels more on every side, as they are drawn.
        let width = f64::from(rect.width()) * self.scale.0 + 4.0;
        (width * (f64::from(rect.height()) * self.scale.1 + 4.0)).min(self.max)
    }
}

/// Checks what drawing at this scale, to this size, takes.
pub(super) fn check_tree(tree: &Tree, scale: (f32, f32), size: Size, limits: &Limits) -> Result<(), Error> {
    let pixels = f64::from(size.width) * f64::from(size.height);
    let scale = (scale.0.into(), scale.1.into());
    let canvas = Canvas { scale, max: pixels * CANVAS_AND_AROUND, placed: true };
    let cost = children(tree.root(), canvas).above(pixels);
    check(Limit::Pixels, limits.pixels, cost.peak as u64)?;
    check(Limit::Pixels, limits.pixels.saturating_mul(MAX_WORK), cost.work as u64)
}

fn children(group: &Group, canvas: Canvas) -> Cost {
    group.children().iter().fold(Cost::default(), |cost, node| cost.then(self::node(node, canvas)))
}

fn node(node: &Node, canvas: Canvas) -> Cost {
    match node {
        Node::Group(group) => self::group(group, canvas),
        Node::Path(path) => self::path(path, canvas),
        Node::Image(image) => match image.kind() {
            ImageKind::SVG(tree) => children(tree.root(), canvas),
            // Decoded each time it is drawn.
            _ => Cost::default().above(f64::from(image.size().width()) * f64::from(image.size().height())),
        },
        Node::Text(text) => group(text.flattened(), canvas),
    }
}

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

/// Every result of a filter is kept until its end.
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

/// How many pixels are read for one that is written.
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
