//! Counts the elements that a document would have if every reference were replaced by a copy of its target.
//! The count is checked before `usvg` makes these copies, because a short document can expand to very many
//! elements: ten elements that each refer to the previous element ten times expand to 10¹⁰ elements.
//!
//! Text is counted by the work of laying it out, because `usvg` lays out a whole text again for each of its
//! parts with a style of their own.
//!
//! Every element is visited once. The counts of an element include the counts of its children and of the
//! elements that it refers to, which are therefore counted first.

use std::collections::HashMap;

use roxmltree::{Document, Node, NodeId};

use super::styles::Styles;
use super::unsupported;
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The largest allowed nesting of elements after all references are expanded. It is limited because the
/// parser and the renderer are recursive.
const MAX_DEPTH: u32 = 200;

/// Largest allowed product of the number of style rules and the number of elements. It is limited because
/// every rule is matched against every element.
const MAX_STYLE_TRIALS: u64 = 20_000_000;

/// The largest allowed work of laying out text. The unit is the work of one letter with one font. The limit is
/// a second or two.
const MAX_TEXT_WORK: u64 = 4_000_000;

/// The contents of an element after its references are expanded: the numbers of elements, shapes and points.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// The number of elements.
    pub(super) n_nodes: u64,
    /// Number of shapes. Shapes are counted because each may be filled with a copy of a pattern.
    n_shapes: u64,
    /// Upper bound of the number of points of all shapes. Points are counted because each may get a copy of a
    /// marker.
    n_points: u64,
    /// The number of bytes of the text that is drawn.
    n_text_bytes: u64,
    /// The work of laying out the text, see [`MAX_TEXT_WORK`].
    text_work: u64,
    /// The largest number of elements that contain each other.
    pub(super) depth: u32,
}

/// The relation between two elements A and B that makes the counts of B include the counts of A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// The element A is a child of the element B.
    Child,
    /// The element B is a `use` element that inserts a copy of the element A.
    Use,
    /// The element A is a clip path, a mask or a filter of the element B.
    Layer,
    /// The element A fills or strokes every shape in the element B.
    Paint,
    /// The element A is a marker that is drawn at every point of the element B.
    Marker,
    /// The text in the element B runs along the path A.
    Along,
    /// The element B is a gradient or pattern that inherits the content of the element A by `href`.
    Template,
}

/// An element whose children and references are being counted: it lies on the current path of the traversal.
struct Open<'a, 'input> {
    node: Node<'a, 'input>,
    /// The relation between this element and the previous element on the path of the traversal.
    link: Link,
    /// The children and references of this element that were not visited yet.
    links: Vec<(Link, Node<'a, 'input>)>,
    counts: Counts,
}

/// Checks an SVG document against the limits. `depth` is the number of elements of other documents that contain
/// the document. Returns the contents of the document.
pub(super) fn check_document(document: &Document<'_>, limits: &Limits, depth: u32) -> Result<Counts, Error> {
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
    let max_depth = MAX_DEPTH.saturating_sub(depth);
    let counts = Audit { styles, ids, done: HashMap::new(), max_depth }.visit(document.root_element())?;
    check(Limit::Parts, limits.parts.into(), counts.n_nodes)?;
    check(Limit::Parts, limits.parts.into(), counts.n_text_bytes)?;
    if counts.text_work > MAX_TEXT_WORK {
        return Err(unsupported("text with too many letters, parts or positions"));
    }
    Ok(counts)
}

/// The state of the traversal of a document.
struct Audit<'a, 'input> {
    styles: Styles<'a>,
    ids: HashMap<&'a str, Node<'a, 'input>>,
    done: HashMap<NodeId, Counts>,
    max_depth: u32,
}

impl<'a, 'input> Audit<'a, 'input> {
    /// Counts all elements of the document with all references expanded. The traversal is iterative, so that
    /// a deeply nested document cannot overflow the stack.
    fn visit(&mut self, root: Node<'a, 'input>) -> Result<Counts, Error> {
        let mut path = vec![self.open(root, Link::Child)];
        let mut places = HashMap::from([(root.id(), 0)]);
        loop {
            let top = path.last_mut().expect("the loop ends with the root");
            let Some((link, node)) = top.links.pop() else {
                let Open { node, link, counts, .. } = path.pop().expect("the path is not empty");
                places.remove(&node.id());
                self.done.insert(node.id(), counts);
                let Some(parent) = path.last_mut() else { return Ok(counts) };
                parent.add(link, counts, self.max_depth)?;
                continue;
            };
            if let Some(&counts) = self.done.get(&node.id()) {
                top.add(link, counts, self.max_depth)?;
            } else if let Some(&place) = places.get(&node.id()) {
                check_cycle(&path[place + 1..], link)?;
            } else {
                if path.len() > self.max_depth as usize {
                    return Err(too_deep());
                }
                places.insert(node.id(), path.len());
                path.push(self.open(node, link));
            }
        }
    }

    /// Begins to count an element: finds its children and the elements that it refers to.
    fn open(&self, node: Node<'a, 'input>, link: Link) -> Open<'a, 'input> {
        let mut links: Vec<_> =
            node.children().filter(Node::is_element).map(|child| (Link::Child, child)).collect();
        self.styles.references(node, |property, value| {
            let link = match property {
                "href" if node.tag_name().name() == "use" => Link::Use,
                "href" if node.tag_name().name() == "textPath" => Link::Along,
                "href" => Link::Template,
                "fill" | "stroke" => Link::Paint,
                "marker" | "marker-start" | "marker-mid" | "marker-end" => Link::Marker,
                "clip-path" | "mask" | "filter" => Link::Layer,
                _ => return,
            };
            links.extend(names(link, value).filter_map(|id| Some((link, *self.ids.get(id)?))));
        });
        Open { node, link, links, counts: own_counts(node) }
    }
}

/// Returns the identifiers of the elements to which an attribute value refers. The value of `href` is `#id`;
/// other attributes contain `url(#id)`.
fn names(link: Link, value: &str) -> impl Iterator<Item = &str> {
    let whole = matches!(link, Link::Use | Link::Along | Link::Template);
    let href = whole.then(|| value.trim().strip_prefix('#')).flatten();
    let urls = value.split("url(").skip(1).filter_map(move |rest| {
        let name =
            rest.split(')').next()?.trim_matches(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
        name.strip_prefix('#')
    });
    href.into_iter().chain(urls.filter(move |_| !whole))
}

/// Counts the element of `node` itself: one node, the shapes that the element draws, and the points of these
/// shapes. The children of the element and the elements that it references are not counted.
fn own_counts(node: Node<'_, '_>) -> Counts {
    let (n_shapes, n_points) = match node.tag_name().name() {
        "path" => (1, n_numbers(node, "d")),
        "polyline" | "polygon" => (1, n_numbers(node, "points")),
        "line" => (1, 2),
        "rect" | "circle" | "ellipse" | "image" => (1, 1),
        // Every position begins a new part of the text, and a part can have three lines besides its letters.
        "text" | "tspan" => (4 * (n_numbers(node, "x") + n_numbers(node, "y")), 0),
        _ => (0, 0),
    };
    let counts = Counts { n_nodes: 1, n_shapes, n_points, depth: 1, ..Counts::default() };
    if node.tag_name().name() != "text" {
        return counts;
    }
    let text = TextSize::of(node);
    Counts { n_text_bytes: text.n_bytes, text_work: text.work(), ..counts }
}

/// Returns the number of numbers in an attribute plus one, or a greater number. A number begins at a digit that
/// does not follow another digit, so the positions of such digits are counted.
fn n_numbers(node: Node<'_, '_>, attribute: &str) -> u64 {
    let text = node.attribute(attribute).unwrap_or_default();
    let is_part = |byte: u8| byte.is_ascii_digit();
    text.as_bytes().windows(2).filter(|pair| !is_part(pair[0]) && is_part(pair[1])).count() as u64 + 1
}

/// The size of a `text` element with everything in it.
#[derive(Default)]
struct TextSize {
    n_bytes: u64,
    n_elements: u64,
    /// The number of numbers in the attributes `x` and `y`, or a greater number.
    n_positions: u64,
}

impl TextSize {
    fn of(text: Node<'_, '_>) -> Self {
        let mut size = Self::default();
        for node in text.descendants() {
            if node.is_element() {
                size.n_elements += 1;
                size.n_positions += n_numbers(node, "x") + n_numbers(node, "y");
            } else {
                size.n_bytes += node.text().map_or(0, str::len) as u64;
            }
        }
        size
    }

    /// Returns the work of laying out the text, see [`MAX_TEXT_WORK`].
    fn work(&self) -> u64 {
        let n_styles = 2 * self.n_elements;
        // Every part of the text with a style of its own lays out the whole text.
        let shaping = n_styles.saturating_mul(self.n_bytes);
        // With more than one style, every letter is searched in a list of all letters.
        let merging = if self.n_elements > 1 { self.n_bytes.saturating_mul(self.n_bytes) / 64 } else { 0 };
        // Preparing a font takes as long as fifty letters.
        let preparing = 50 * (n_styles + self.n_positions);
        shaping.saturating_add(merging).saturating_add(preparing)
    }
}

impl Open<'_, '_> {
    /// Adds the counts of a child or of a referenced element, as often as the element draws them.
    fn add(&mut self, link: Link, part: Counts, max_depth: u32) -> Result<(), Error> {
        let times = match link {
            Link::Child | Link::Use | Link::Layer | Link::Along | Link::Template => 1,
            Link::Paint => self.counts.n_shapes,
            Link::Marker => self.counts.n_points,
        };
        let add = |sum: &mut u64, n: u64| *sum = sum.saturating_add(n.saturating_mul(times));
        add(&mut self.counts.n_nodes, part.n_nodes);
        add(&mut self.counts.n_text_bytes, part.n_text_bytes);
        add(&mut self.counts.text_work, part.text_work);
        if link == Link::Along {
            // The position of each letter is searched from the beginning of the path.
            let n_bytes = TextSize::of(self.node).n_bytes;
            add(&mut self.counts.text_work, n_bytes.saturating_mul(part.n_points) / 16);
        }
        if matches!(link, Link::Child | Link::Use) {
            self.counts.n_shapes = self.counts.n_shapes.saturating_add(part.n_shapes);
            self.counts.n_points = self.counts.n_points.saturating_add(part.n_points);
        }
        self.counts.depth = self.counts.depth.max(part.depth + 1);
        if self.counts.depth > max_depth { Err(too_deep()) } else { Ok(()) }
    }
}

fn too_deep() -> Error {
    unsupported(&format!("elements nested more than {MAX_DEPTH} deep"))
}

/// Refuses a reference cycle unless `usvg` can handle it. `usvg` can handle a cycle that has only one kind of
/// reference, such as an element that clips itself or an element that a `use` element inside it repeats.
/// `usvg` does not detect every cycle with several kinds of references.
fn check_cycle(path: &[Open<'_, '_>], closing: Link) -> Result<(), Error> {
    let is_harmless = |link: Link| link == Link::Child || (link == closing && closing != Link::Use);
    if path.iter().all(|open| is_harmless(open.link)) {
        return Ok(());
    }
    Err(unsupported("elements that refer to each other in a circle"))
}
