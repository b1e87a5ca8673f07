//! Finds the references to other elements in the attributes and style sheets of an SVG document.

use roxmltree::Node;
use simplecss::{AttributeOperator, DeclarationTokenizer, Element, PseudoClass, Rule, StyleSheet};

/// The style rules of a document that contain references.
pub(super) struct Styles<'a> {
    /// The number of all style rules, with and without references.
    pub(super) n_rules: usize,
    rules: Vec<Rule<'a>>,
}

impl<'a> Styles<'a> {
    /// Parses all style sheets of a document.
    pub(super) fn of(texts: &[&'a str]) -> Self {
        let mut sheet = StyleSheet::new();
        texts.iter().for_each(|text| sheet.parse_more(text));
        let has_reference = |rule: &Rule<'_>| rule.declarations.iter().any(|d| d.value.contains("url("));
        Self { n_rules: sheet.rules.len(), rules: sheet.rules.into_iter().filter(has_reference).collect() }
    }

    /// Calls `found` with every property and value that may apply to an element and may contain a reference.
    pub(super) fn references(&self, node: Node<'_, '_>, mut found: impl FnMut(&str, &str)) {
        for attribute in node.attributes() {
            if attribute.name() == "style" {
                DeclarationTokenizer::from(attribute.value()).for_each(|d| found(d.name, d.value));
            } else {
                found(attribute.name(), attribute.value());
            }
        }
        for rule in self.rules.iter().filter(|rule| rule.selector.matches(&Styled(node))) {
            rule.declarations.iter().for_each(|declaration| found(declaration.name, declaration.value));
        }
    }
}

/// An element of the document in the form that the crate `simplecss` needs to match selectors.
struct Styled<'a, 'input>(Node<'a, 'input>);

impl Element for Styled<'_, '_> {
    fn parent_element(&self) -> Option<Self> {
        self.0.parent_element().map(Styled)
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        self.0.prev_sibling_element().map(Styled)
    }

    fn has_local_name(&self, name: &str) -> bool {
        self.0.tag_name().name() == name
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        self.0.attribute(name).is_some_and(|value| operator.matches(value))
    }

    fn pseudo_class_matches(&self, class: PseudoClass<'_>) -> bool {
        // This code cannot evaluate pseudo-classes other than `first-child` and assumes that they match. In
        // the worst case, too many references are counted, which is safe.
        !matches!(class, PseudoClass::FirstChild) || self.prev_sibling_element().is_none()
    }
}
