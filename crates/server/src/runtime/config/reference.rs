//! Parses `default.toml`, which declares every setting with its meaning, default and accepted values. The
//! error messages, the names of the environment variables and `docs/configuration.md` are all derived from
//! this file. Therefore the file has a fixed form: a comment stands above each section and setting, a setting
//! is one line `key = value`, and a comment behind the value gives the range or the keywords that the setting
//! accepts.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Value;

/// The text of `default.toml`, which is compiled into the program.
const DEFAULT_TOML: &str = include_str!("../../default.toml");

/// A section of the configuration, which begins with its name in brackets.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The name of the section, without brackets.
    pub name: &'static str,
    /// The comment above the section, which says what the section is about.
    pub doc: String,
    /// The settings of the section, in the order of `default.toml`.
    pub settings: Vec<Setting>,
}

/// The declaration of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The name of the setting within its section.
    pub key: &'static str,
    /// The comment above the setting, which says what the setting does.
    pub doc: String,
    /// The value of the setting if neither the configuration file, nor the environment, nor the command line
    /// sets it.
    pub default: Value,
    /// The type of the setting and its accepted values.
    pub accepted: AcceptedValues,
}

/// The TOML type and the values that a setting accepts. Whether a text is an address or a URL is not checked
/// by this type, but by the later conversion of the text to its Rust type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedValues {
    /// The setting accepts any text.
    Text,
    /// The setting accepts one of these keywords.
    Keyword(Vec<&'static str>),
    /// The setting accepts a list of texts.
    TextList,
    /// The setting accepts `true` or `false`.
    Boolean,
    /// The setting accepts an integer in this range.
    Integer(RangeInclusive<i64>),
    /// The setting accepts a list of integers in this range.
    IntegerList(RangeInclusive<i64>),
}

impl AcceptedValues {
    /// Derives the accepted values of a setting from the type of its default and from the comment behind the
    /// default: `from 1 to 9`, `one of a, b` or no comment. Returns `None` if the comment does not fit the
    /// type.
    fn from_declaration(default: &Value, comment: &'static str) -> Option<Self> {
        let range = || {
            let (min, max) = comment.strip_prefix("from ")?.split_once(" to ")?;
            Some(min.parse().ok()?..=max.parse().ok()?)
        };
        match default {
            Value::Integer(_) => Some(Self::Integer(range()?)),
            Value::Boolean(_) if comment.is_empty() => Some(Self::Boolean),
            Value::Array(_) if comment.is_empty() => Some(Self::TextList),
            Value::Array(_) => Some(Self::IntegerList(range()?)),
            Value::String(_) if comment.is_empty() => Some(Self::Text),
            Value::String(_) => Some(Self::Keyword(comment.strip_prefix("one of ")?.split(", ").collect())),
            _ => None,
        }
    }

    /// Returns whether the setting accepts a value.
    pub fn accepts(&self, value: &Value) -> bool {
        let is_list_of = |is_accepted: &dyn Fn(&Value) -> bool| {
            value.as_array().is_some_and(|list| list.iter().all(is_accepted))
        };
        let is_in = |value: &Value, range: &RangeInclusive<i64>| {
            value.as_integer().is_some_and(|number| range.contains(&number))
        };
        match self {
            Self::Text => value.is_str(),
            Self::Keyword(keywords) => value.as_str().is_some_and(|keyword| keywords.contains(&keyword)),
            Self::TextList => is_list_of(&Value::is_str),
            Self::Boolean => value.is_bool(),
            Self::Integer(range) => is_in(value, range),
            Self::IntegerList(range) => is_list_of(&|item| is_in(item, range)),
        }
    }

    /// Converts the text of an environment variable or of a command-line flag to a TOML value. The elements
    /// of a list are separated by commas. If the setting is a number or a Boolean, but the text is not, the
    /// value remains a text, which [`Self::accepts`] refuses later.
    pub fn parse(&self, text: &str) -> Value {
        let item = |text: &str| match self {
            Self::Integer(_) | Self::IntegerList(_) => {
                text.parse().map_or_else(|_| Value::from(text), |number: i64| Value::from(number))
            }
            Self::Boolean => text.parse().map_or_else(|_| Value::from(text), Value::Boolean),
            Self::Text | Self::Keyword(_) | Self::TextList => Value::from(text),
        };
        match self {
            Self::TextList | Self::IntegerList(_) => Value::Array(
                text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(item).collect(),
            ),
            Self::Text | Self::Keyword(_) | Self::Boolean | Self::Integer(_) => item(text),
        }
    }
}

impl fmt::Display for AcceptedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Keyword(keywords) => write!(f, "one of {}", keywords.join(", ")),
            Self::TextList => f.write_str("a list of texts"),
            Self::Boolean => f.write_str("true or false"),
            Self::Integer(range) => write!(f, "an integer from {} to {}", range.start(), range.end()),
            Self::IntegerList(range) => {
                write!(f, "a list of integers from {} to {}", range.start(), range.end())
            }
        }
    }
}

/// Returns all sections of `default.toml`.
pub fn sections() -> Vec<Section> {
    parse(DEFAULT_TOML).expect("the embedded default.toml has the required form: a test parses it")
}

/// Parses the text of a file that has the form of `default.toml`. The error is the first line that does not
/// have this form.
fn parse(text: &'static str) -> Result<Vec<Section>, &'static str> {
    let mut sections: Vec<Section> = Vec::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            doc.push(comment);
        } else if line.is_empty() {
            // An empty line ends the comment at the top of the file. This comment belongs to no section.
            doc.clear();
        } else if doc.is_empty() {
            return Err(line);
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push(Section { name, doc: std::mem::take(&mut doc).join(" "), settings: Vec::new() });
        } else {
            let section = sections.last_mut().ok_or(line)?;
            let (key, rest) = line.split_once(" = ").ok_or(line)?;
            let (default, comment) = rest.split_once(" # ").unwrap_or((rest, ""));
            let default: Value = default.parse().map_err(|_| line)?;
            let accepted = AcceptedValues::from_declaration(&default, comment)
                .filter(|accepted| accepted.accepts(&default))
                .ok_or(line)?;
            let doc = std::mem::take(&mut doc).join(" ");
            section.settings.push(Setting { key, doc, default, accepted });
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_parser_of_default_toml_finds_the_same_settings_and_values_as_the_toml_crate() {
        let sections = parse(DEFAULT_TOML).unwrap();
        let mut table = toml::Table::new();
        for section in sections {
            let settings =
                section.settings.into_iter().map(|setting| (setting.key.to_owned(), setting.default));
            table.insert(section.name.to_owned(), Value::Table(settings.collect()));
        }
        assert_eq!(table, DEFAULT_TOML.parse().unwrap());
    }

    #[test]
    fn parsing_default_toml_fails_with_the_first_line_that_does_not_have_the_expected_form() {
        for (text, line) in [
            ("# a\n[a]\nkey = 1 # from 0 to 1", "key = 1 # from 0 to 1"),
            ("# a\n[a]\n# b\nkey = 1", "key = 1"),
            ("# a\n[a]\n# b\nkey = 2 # from 0 to 1", "key = 2 # from 0 to 1"),
            ("# a\n[a]\n# b\nkey = \"c\" # one of d, e", "key = \"c\" # one of d, e"),
            ("# b\nkey = 1 # from 0 to 1", "key = 1 # from 0 to 1"),
            ("# a\n[a]\n# b\nkey", "key"),
        ] {
            assert_eq!(parse(text), Err(line), "{text}");
        }
    }

    #[test]
    fn the_text_of_an_environment_variable_or_command_line_flag_is_converted_to_the_type_of_the_setting() {
        let integers = AcceptedValues::IntegerList(0..=9);
        assert_eq!(integers.parse("1, 2,"), Value::from(vec![1, 2]));
        assert!(!integers.accepts(&integers.parse("1,x")));
        assert_eq!(AcceptedValues::TextList.parse(""), Value::Array(Vec::new()));
        assert_eq!(AcceptedValues::Text.parse("1"), Value::from("1"));
        let is_accepted = AcceptedValues::Integer(0..=9).accepts(&Value::from("1"));
        assert!(!is_accepted, "the text \"1\" in a configuration file is not a number");
    }
}
