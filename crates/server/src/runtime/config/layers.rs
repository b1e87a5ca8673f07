//! Keeps the effective value of every setting. A value comes from one of four layers: the defaults, the
//! configuration file, the environment or the command line. A later layer overrides single settings of the
//! layers before it. This module does not interpret the values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Error;
use super::reference::{self, Section, Setting};
use crate::runtime::spelling;

/// The prefix of the environment variables that set a setting.
const PREFIX: &str = "PIXAVEN_";
/// Environment variables whose names begin in one of these ways have the prefix `PIXAVEN_`, but do not set a
/// setting. They are ignored.
const IGNORED_VARIABLES: &[&str] = &[
    // If a Kubernetes cluster has a service called `pixaven`, Kubernetes sets variables with these beginnings
    // in every container.
    "PIXAVEN_SERVICE_",
    "PIXAVEN_PORT",
    // These variables configure the tests of this project: they name the programs, files and servers that tests use,
    // and the tests that must not be skipped.
    "PIXAVEN_AZURE_EMULATOR",
    "PIXAVEN_CORPUS",
    "PIXAVEN_PYTHON",
    "PIXAVEN_REQUIRE_",
    "PIXAVEN_S3_EMULATOR",
    "PIXAVEN_SECOND_DECODERS",
];

/// The layer from which the value of a setting comes. A layer overrides the layers that are declared before
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The value is the default in `default.toml`.
    Default,
    /// The value comes from the configuration file with this path.
    File(PathBuf),
    /// The value comes from the environment variable with this name.
    Variable(String),
    /// The value comes from the command line.
    Flag,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// All settings, each with its effective value and the layer from which the value comes.
///
/// A setting is named by its dotted key: `section.key`.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    sections: Vec<Section>,
    /// The values that override defaults, by the dotted key of the setting. A setting without an entry has
    /// its default.
    overridden: BTreeMap<String, (Value, Layer)>,
}

impl Default for Layers {
    fn default() -> Self {
        Self { sections: reference::sections(), overridden: BTreeMap::new() }
    }
}

impl Layers {
    /// Overrides settings with the values in the text of a configuration file.
    pub(super) fn apply_file(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let layer = Layer::File(path.to_owned());
        let table: Table = text.parse().map_err(|source| Error::Syntax { path: path.to_owned(), source })?;
        for (section, settings) in table {
            let Value::Table(settings) = settings else {
                return Err(self.unknown(&section, layer));
            };
            if !self.sections.iter().any(|known| known.name == section) {
                return Err(self.unknown_section(&section, layer));
            }
            for (key, value) in settings {
                let dotted_key = format!("{section}.{key}");
                if self.find(&dotted_key).is_none() {
                    return Err(self.unknown(&dotted_key, layer));
                }
                self.set(dotted_key, value, layer.clone())?;
            }
        }
        Ok(())
    }

    /// Overrides settings with the values of environment variables called `PIXAVEN_SECTION_KEY`. Variables
    /// without the prefix `PIXAVEN_` are ignored.
    pub(super) fn apply_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        for (name, text) in variables {
            if !name.starts_with(PREFIX) || IGNORED_VARIABLES.iter().any(|start| name.starts_with(start)) {
                continue;
            }
            let dotted_key = self.dotted_keys().find(|dotted_key| variable_name(dotted_key) == name);
            let Some(dotted_key) = dotted_key else {
                return Err(self.unknown_variable(name));
            };
            self.set_text(&dotted_key, &text, Layer::Variable(name))?;
        }
        Ok(())
    }

    /// Overrides settings with values from the command line. Each value is given with the dotted key of its
    /// setting.
    pub(super) fn apply_flags(
        &mut self,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        flags.into_iter().try_for_each(|(dotted_key, text)| self.set_text(&dotted_key, &text, Layer::Flag))
    }

    /// Returns the effective value of every setting, as a TOML table.
    pub(super) fn table(&self) -> Table {
        let settings = |section: &Section| {
            let value = |setting: &Setting| self.effective(section, setting).0.clone();
            section.settings.iter().map(|setting| (setting.key.to_owned(), value(setting))).collect()
        };
        self.sections
            .iter()
            .map(|section| (section.name.to_owned(), Value::Table(settings(section))))
            .collect()
    }

    /// Returns the layer from which the effective value of a setting comes.
    pub(super) fn layer(&self, dotted_key: &str) -> Layer {
        self.overridden.get(dotted_key).map_or(Layer::Default, |(_, layer)| layer.clone())
    }

    /// Returns the effective value of a setting, and the layer from which the value comes.
    fn effective<'a>(&'a self, section: &Section, setting: &'a Setting) -> (&'a Value, &'a Layer) {
        match self.overridden.get(&dotted_key(section, setting)) {
            Some((value, layer)) => (value, layer),
            None => (&setting.default, &Layer::Default),
        }
    }

    fn dotted_keys(&self) -> impl Iterator<Item = String> {
        self.sections
            .iter()
            .flat_map(|section| section.settings.iter().map(move |setting| dotted_key(section, setting)))
    }

    fn find(&self, dotted_key: &str) -> Option<&Setting> {
        let (section, key) = dotted_key.split_once('.')?;
        let section = self.sections.iter().find(|known| known.name == section)?;
        section.settings.iter().find(|known| known.key == key)
    }

    /// Overrides a setting with the text of an environment variable or of a command-line flag.
    fn set_text(&mut self, dotted_key: &str, text: &str, layer: Layer) -> Result<(), Error> {
        let Some(setting) = self.find(dotted_key) else {
            return Err(self.unknown(dotted_key, layer));
        };
        let value = setting.accepted.parse(text);
        self.set(dotted_key.to_owned(), value, layer)
    }

    /// Overrides a setting, if the setting accepts the value. The caller has checked that the setting exists.
    fn set(&mut self, dotted_key: String, value: Value, layer: Layer) -> Result<(), Error> {
        let accepted = &self.find(&dotted_key).expect("the caller has found the setting").accepted;
        if !accepted.accepts(&value) {
            return Err(Error::Invalid {
                message: format!("must be {accepted}, got {value}"),
                key: dotted_key,
                layer,
            });
        }
        self.overridden.insert(dotted_key, (value, layer));
        Ok(())
    }

    fn unknown(&self, dotted_key: &str, layer: Layer) -> Error {
        let known: Vec<String> = self.dotted_keys().collect();
        let nearest = spelling::nearest(dotted_key, known.iter().map(String::as_str)).unwrap_or_default();
        Error::Unknown { name: dotted_key.to_owned(), nearest: nearest.to_owned(), layer }
    }

    fn unknown_section(&self, section: &str, layer: Layer) -> Error {
        let nearest = spelling::nearest(section, self.sections.iter().map(|known| known.name));
        let nearest = format!("[{}]", nearest.unwrap_or_default());
        Error::Unknown { name: format!("[{section}]"), nearest, layer }
    }

    fn unknown_variable(&self, name: String) -> Error {
        let known: Vec<String> = self.dotted_keys().map(|dotted_key| variable_name(&dotted_key)).collect();
        let nearest =
            spelling::nearest(&name, known.iter().map(String::as_str)).unwrap_or_default().to_owned();
        Error::Unknown { name: name.clone(), nearest, layer: Layer::Variable(name) }
    }
}

/// Formats the effective values of all settings as a configuration file. A comment behind each value names
/// the layer from which it comes.
impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, section) in self.sections.iter().enumerate() {
            let blank_line = if i == 0 { "" } else { "\n" };
            writeln!(f, "{blank_line}[{}]", section.name)?;
            for setting in &section.settings {
                let (value, layer) = self.effective(section, setting);
                let value = without_password(&value.to_string());
                writeln!(f, "{} = {value} # {layer}", setting.key)?;
            }
        }
        Ok(())
    }
}

/// Replaces the password of a URL by `***`.
fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return value.to_owned() };
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***{}", &rest[at..]),
        None => value.to_owned(),
    }
}

fn dotted_key(section: &Section, setting: &Setting) -> String {
    format!("{}.{}", section.name, setting.key)
}

/// Returns the name of the environment variable that sets a setting. For example, `PIXAVEN_SERVER_LISTEN`
/// sets `server.listen`.
pub fn variable_name(dotted_key: &str) -> String {
    format!("{PREFIX}{}", dotted_key.replace('.', "_").to_ascii_uppercase())
}
