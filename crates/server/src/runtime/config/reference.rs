//! `default.toml` as data: which settings there are, what they mean, what they accept. Everything else about the
//! configuration (messages, variables' names, the documentation) follows from it, so the file has a form: a comment
//! above each section and setting, `key = value` on one line, behind it the range or the words it accepts.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Value;

/// The embedded file.
const DEFAULT_TOML: &str = include_str!("../../default.toml");

/// A `[section]` of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Name without brackets.
    pub name: &'static str,
    /// What it is about.
    pub doc: String,
    /// Its settings, in the order of the file.
    pub settings: Vec<Setting>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Name within the section.
    pub key: &'static str,
    /// What it does.
    pub doc: String,
    /// Its value when nobody says otherwise.
    pub default: Value,
    /// What it may be.
    pub accepts: Accepts,
}

/// What a setting may be. Whether a text is an address, a URL and so on is checked where it gets its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// Any text.
    Text,
    /// One of these words.
    Word(Vec<&'static str>),
    /// A list of texts.
    Texts,
    /// An integer in this range.
    Integer(RangeInclusive<i64>),
    /// A list of integers in this range.
    Integers(RangeInclusive<i64>),
}

impl Accepts {
    fn of(default: &Value, rule: &'static str) -> Option<Self> {
        let range = || {
            let (min, max) = rule.strip_prefix("from ")?.split_once(" to ")?;
            Some(min.parse().ok()?..=max.parse().ok()?)
        };
        match default {
            Value::Integer(_) => Some(Self::Integer(range()?)),
            Value::Array(_) if rule.is_empty() => Some(Self::Texts),
            Value::Array(_) => Some(Self::Integers(range()?)),
            Value::String(_) if rule.is_empty() => Some(Self::Text),
            Value::String(_) => Some(Self::Word(rule.strip_prefix("one of ")?.split(", ").collect())),
            _ => None,
        }
    }

    /// Whether a value is acceptable.
    pub fn admits(&self, value: &Value) -> bool {
        let all =
            |admits: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(admits));
        let within = |value: &Value, range: &RangeInclusive<i64>| {
            value.as_integer().is_some_and(|number| range.contains(&number))
        };
        match self {
            Self::Text => value.is_str(),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Texts => all(&Value::is_str),
            Self::Integer(range) => within(value, range),
            Self::Integers(range) => all(&|item| within(item, range)),
        }
    }

    /// The value a variable or a flag stands for, not checked yet: lists are separated by commas, and what should be
    /// a number but is none stays text.
    pub fn value_of(&self, text: &str) -> Value {
        let item = |text: &str| match self {
            Self::Integer(_) | Self::Integers(_) => {
                text.parse().map_or_else(|_| Value::from(text), |number: i64| Value::from(number))
            }
            Self::Text | Self::Word(_) | Self::Texts => Value::from(text),
        };
        match self {
            Self::Texts | Self::Integers(_) => Value::Array(
                text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(item).collect(),
            ),
            Self::Text | Self::Word(_) | Self::Integer(_) => item(text),
        }
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Texts => f.write_str("a list of texts"),
            Self::Integer(range) => write!(f, "an integer from {} to {}", range.start(), range.end()),
            Self::Integers(range) => {
                write!(f, "a list of integers from {} to {}", range.start(), range.end())
            }
        }
    }
}

/// Reads the embedded file.
pub fn sections() -> Vec<Section> {
    read(DEFAULT_TOML).expect("the embedded default.toml has its form: a test reads it")
}

/// Reads a file of this form; fails with the first line that has none.
fn read(text: &'static str) -> Result<Vec<Section>, &'static str> {
    let mut sections: Vec<Section> = Vec::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            doc.push(comment);
        } else if line.is_empty() {
            // Ends the comment on the whole file.
            doc.clear();
        } else if doc.is_empty() {
            return Err(line);
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push(Section { name, doc: std::mem::take(&mut doc).join(" "), settings: Vec::new() });
        } else {
            let section = sections.last_mut().ok_or(line)?;
            let (key, rest) = line.split_once(" = ").ok_or(line)?;
            let (default, rule) = rest.split_once(" # ").unwrap_or((rest, ""));
            let default: Value = default.parse().map_err(|_| line)?;
            let accepts =
                Accepts::of(&default, rule).filter(|accepts| accepts.admits(&default)).ok_or(line)?;
            section.settings.push(Setting { key, doc: std::mem::take(&mut doc).join(" "), default, accepts });
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_has_its_form_and_nothing_is_missed() {
        let sections = read(DEFAULT_TOML).unwrap();
        let mut read_back = toml::Table::new();
        for section in sections {
            let settings =
                section.settings.into_iter().map(|setting| (setting.key.to_owned(), setting.default));
            read_back.insert(section.name.to_owned(), Value::Table(settings.collect()));
        }
        assert_eq!(read_back, DEFAULT_TOML.parse().unwrap());
    }

    #[test]
    fn lines_without_the_form_are_named() {
        for (text, line) in [
            ("# a\n[a]\nkey = 1 # from 0 to 1", "key = 1 # from 0 to 1"),
            ("# a\n[a]\n# b\nkey = 1", "key = 1"),
            ("# a\n[a]\n# b\nkey = 2 # from 0 to 1", "key = 2 # from 0 to 1"),
            ("# a\n[a]\n# b\nkey = \"c\" # one of d, e", "key = \"c\" # one of d, e"),
            ("# b\nkey = 1 # from 0 to 1", "key = 1 # from 0 to 1"),
            ("# a\n[a]\n# b\nkey", "key"),
        ] {
            assert_eq!(read(text), Err(line), "{text}");
        }
    }

    #[test]
    fn texts_become_values() {
        let integers = Accepts::Integers(0..=9);
        assert_eq!(integers.value_of("1, 2,"), Value::from(vec![1, 2]));
        assert!(!integers.admits(&integers.value_of("1,x")));
        assert_eq!(Accepts::Texts.value_of(""), Value::Array(Vec::new()));
        assert_eq!(Accepts::Text.value_of("1"), Value::from("1"));
        assert!(!Accepts::Integer(0..=9).admits(&Value::from("1")), "a text in a file is no number");
    }
}
