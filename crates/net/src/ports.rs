//! The destination ports that the server may connect to, as the setting `network.ports` lists them.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Deserialize;

/// One item of the setting `network.ports`: a port such as `443` or a range such as `1024-65535`. A leading
/// exclamation mark forbids the ports, as in `!3306`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PortRule {
    ports: RangeInclusive<u16>,
    is_permitted: bool,
}

/// The error for a text that is not a valid item of `network.ports`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is neither a port nor a range of ports from 1 to 65535; accepted is a port such as `443`, a range such as `1024-65535`, or one of these after `!` to forbid it, such as `!3306`"
)]
pub struct InvalidPortRule {
    text: String,
}

/// A list of rules for ports. The last rule that contains a port decides whether the port is permitted. A
/// port that no rule contains is forbidden. The default permits every port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct PortRules(Vec<PortRule>);

impl PortRules {
    /// Returns whether the server may connect to the port.
    pub fn permit(&self, port: u16) -> bool {
        self.0.iter().rev().find(|rule| rule.ports.contains(&port)).is_some_and(|rule| rule.is_permitted)
    }
}

impl Default for PortRules {
    fn default() -> Self {
        Self(vec![PortRule { ports: 1..=u16::MAX, is_permitted: true }])
    }
}

impl FromIterator<PortRule> for PortRules {
    fn from_iter<I: IntoIterator<Item = PortRule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl FromStr for PortRule {
    type Err = InvalidPortRule;

    fn from_str(text: &str) -> Result<Self, InvalidPortRule> {
        let (is_permitted, range) = match text.strip_prefix('!') {
            Some(range) => (false, range),
            None => (true, text),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let port = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse::<u16>().ok().filter(|port| *port > 0),
            false => None,
        };
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { ports: first..=last, is_permitted }),
            _ => Err(InvalidPortRule { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for PortRule {
    type Error = InvalidPortRule;

    fn try_from(text: String) -> Result<Self, InvalidPortRule> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_contains_a_port_decides_whether_the_port_is_permitted() {
        let rules: PortRules = ["443", "1024-2000", "!1080-1090", "1085"]
            .map(|text| text.parse().unwrap())
            .into_iter()
            .collect();
        for (port, expected) in [
            (443, true),
            (444, false),
            (1023, false),
            (1024, true),
            (1080, false),
            (1085, true),
            (1090, false),
            (2000, true),
            (2001, false),
        ] {
            assert_eq!(rules.permit(port), expected, "{port}");
        }
        assert!(PortRules::default().permit(1) && PortRules::default().permit(65_535));
        assert!(!PortRules::from_iter([]).permit(443));
    }

    #[test]
    fn the_error_for_an_invalid_port_rule_lists_the_accepted_forms() {
        for text in ["", "0", "65536", "+80", "80-", "-80", "90-80", "!", "!!80", "http", "80,443", "1-0"] {
            let error = text.parse::<PortRule>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is neither")) && error.contains("`!3306`"),
                "{error}"
            );
        }
    }
}
