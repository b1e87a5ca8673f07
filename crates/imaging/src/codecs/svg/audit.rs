//! What a document comes to once everything that it refers to is in its place, counted before anybody puts it
//! there: ten elements that each use the one before ten times are ten thousand million.
//!
//! Every element is visited once, after those that it contains and refers to; its numbers are sums of theirs.

use std::collections::HashMap;

use roxmltree::{Document, Node, NodeId};

use super::styles::Styles;
use super::unsupported;
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// Deepest nesting of elements, with those that they refer to in their places. What reads and draws them
/// calls itself.
const MAX_DEPTH: u32 = 200;

/// Style rules are tried on every element: at most so many trials.
const MAX_STYLE_TRIALS: u64 = 20_000_000;

/// What an element comes to.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// Elements.
    n_nodes: u64,
    /// Shapes, each of which may be filled with a pattern.
    n_shapes: u64,
    /// Points of shapes at most, each of which may get a marker.
    n_points: u64,
    depth: u32,
}

/// Why one element is counted with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It lies within.
    Child,
    /// It is used in its place.
    Use,
    /// It clips, masks or filters the whole.
    Layer,
    /// It fills or outlines every shape.
    Paint,
    /// It stands at every point.
    Marker,
    /// Its content is taken over.
    Template,
}

/// An element whose parts are being counted.
struct Open<'a, 'input> {
    node: Node<'a, 'input>,
    /// Why it is visited.
    link: Link,
    /// What is still to be visited.
    links: Vec<(Link, Node<'a, 'input>)>,
    sum: Sum,
}

/// Checks a document against the limits; how many texts it has.
pub(super) fn check_document(document: &Document<'_>, limits: &Limits) -> Result<usize, Error> {
    let elements = || document.descendants().filter(Node::is_element);
    let sheets: Vec<&str> = elements().filter(|n| n.has_tag_name("style")).filter_map(|n| n.text()).collect();
    let styles = Styles::of(&sheets);
    let n_trials = styles.n_rules as u64 * elements().count() as u64;
    check(Limit::Parts, MAX_STYLE_TRIALS, n_trials)?;
    let mut ids = HashMap::new();
    for node in elements() {
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_insert(node);
        }
    }
    let sum = Audit { styles, ids, done: HashMap::new() }.visit(document.root_element())?;
    check(Limit::Parts, limits.parts.into(), sum.n_nodes)?;
    Ok(elements().filter(|node| node.tag_name().name() == "text").count())
}

struct Audit<'a, 'input> {
    styles: Styles<'a>,
    ids: HashMap<&'a str, Node<'a, 'input>>,
    done: HashMap<NodeId, Sum>,
}

impl<'a, 'input> Audit<'a, 'input> {
    /// Counts everything below the root, without calling itself.
    fn visit(&mut self, root: Node<'a, 'input>) -> Result<Sum, Error> {
        let mut path = vec![self.open(root, Link::Child)];
        let mut places = HashMap::from([(root.id(), 0)]);
        loop {
            let top = path.last_mut().expect("the loop ends with the root");
            let Some((link, node)) = top.links.pop() else {
                let Open { node, link, sum, .. } = path.pop().expect("it was looked at");
                places.remove(&node.id());
                self.done.insert(node.id(), sum);
                let Some(parent) = path.last_mut() else { return Ok(sum) };
                parent.add(link, sum)?;
                continue;
            };
            if let Some(&sum) = self.done.get(&node.id()) {
                top.add(link, sum)?;
            } else if let Some(&place) = places.get(&node.id()) {
                check_circle(&path[place + 1..], link)?;
            } else {
                if path.len() > MAX_DEPTH as usize {
                    return Err(too_deep());
                }
                places.insert(node.id(), path.len());
                path.push(self.open(node, link));
            }
        }
    }

    fn open(&self, node: Node<'a, 'input>, link: Link) -> Open<'a, 'input> {
        let mut links: Vec<_> =
            node.children().filter(Node::is_element).map(|child| (Link::Child, child)).collect();
        self.styles.references(node, |property, value| {
            let link = match property {
                "href" if node.tag_name().name() == "use" => Link::Use,
                "href" => Link::Template,
                "fill" | "stroke" => Link::Paint,
                "marker" | "marker-start" | "marker-mid" | "marker-end" => Link::Marker,
                "clip-path" | "mask" | "filter" => Link::Layer,
                _ => return,
            };
            links.extend(names(link, value).filter_map(|id| Some((link, *self.ids.get(id)?))));
        });
        Open { node, link, links, sum: own(node) }
    }
}

/// The elements that a value names: `#id` in `href`, `url(#id)` elsewhere.
fn names(link: Link, value: &str) -> impl Iterator<Item = &str> {
    let whole = matches!(link, Link::Use | Link::Template);
    let href = whole.then(|| value.trim().strip_prefix('#')).flatten();
    let urls = value.split("url(").skip(1).filter_map(move |rest| {
        let name =
            rest.split(')').next()?.trim_matches(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
        name.strip_prefix('#')
    });
    href.into_iter().chain(urls.filter(move |_| !whole))
}

/// An element without what it contains.
fn own(node: Node<'_, '_>) -> Sum {
    let points = |attribute: &str| {
        let text = node.attribute(attribute).unwrap_or_default();
        // Every point has a number at least, and every number begins behind something else.
        let is_part = |byte: u8| byte.is_ascii_digit();
        text.as_bytes().windows(2).filter(|pair| !is_part(pair[0]) && is_part(pair[1])).count() as u64 + 1
    };
    let (n_shapes, n_points) = match node.tag_name().name() {
        "path" => (1, points("d")),
        "polyline" | "polygon" => (1, points("points")),
        "line" => (1, 2),
        "rect" | "circle" | "ellipse" | "text" | "tspan" | "image" => (1, 1),
        _ => (0, 0),
    };
    Sum { n_nodes: 1, n_shapes, n_points, depth: 1 }
}

impl Open<'_, '_> {
    /// Counts another element with this one.
    fn add(&mut self, link: Link, part: Sum) -> Result<(), Error> {
        let times = match link {
            Link::Child | Link::Use | Link::Layer | Link::Template => 1,
            Link::Paint => self.sum.n_shapes,
            Link::Marker => self.sum.n_points,
        };
        self.sum.n_nodes = self.sum.n_nodes.saturating_add(part.n_nodes.saturating_mul(times));
        if matches!(link, Link::Child | Link::Use) {
            self.sum.n_shapes = self.sum.n_shapes.saturating_add(part.n_shapes);
            self.sum.n_points = self.sum.n_points.saturating_add(part.n_points);
        }
        self.sum.depth = self.sum.depth.max(part.depth + 1);
        if self.sum.depth > MAX_DEPTH { Err(too_deep()) } else { Ok(()) }
    }
}

fn too_deep() -> Error {
    unsupported(&format!("elements nested more than {MAX_DEPTH} deep"))
}

/// A circle of one kind is cut where it closes by what reads the document: something that clips itself, an
/// element used within itself. One that leads through others is refused: not every such circle is known
/// there.
fn check_circle(path: &[Open<'_, '_>], closing: Link) -> Result<(), Error> {
    let is_fine = |link: Link| link == Link::Child || (link == closing && closing != Link::Use);
    if path.iter().all(|open| is_fine(open.link)) {
        return Ok(());
    }
    Err(unsupported("elements that refer to each other in a circle"))
}
