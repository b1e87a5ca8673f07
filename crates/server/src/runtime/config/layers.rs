//! Which value of a setting is in force: the default, or what the file, the environment or a flag put over it. What
//! the values mean is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Error;
use super::reference::{self, Section, Setting};
use crate::runtime::spelling;

/// What the name of every variable starts with.
const PREFIX: &str = "PIXAVEN_";
/// How variables begin that have our prefix and are not settings.
const FOREIGN: &[&str] = &[
    // Kubernetes describes a service called `pixaven` to every container with variables of these forms.
    "PIXAVEN_SERVICE_",
    "PIXAVEN_PORT",
    // These tell the tests what they find on the machine, and what must not be skipped.
    "PIXAVEN_CORPUS",
    "PIXAVEN_PYTHON",
    "PIXAVEN_REQUIRE_",
    "PIXAVEN_SECOND_DECODERS",
];

/// Where a value comes from; later ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// `default.toml`.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// The command line.
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

/// All settings, each with the value in force and its layer.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    sections: Vec<Section>,
    /// By dotted key; what is not in here has its default.
    overridden: BTreeMap<String, (Value, Layer)>,
}

impl Default for Layers {
    fn default() -> Self {
        Self { sections: reference::sections(), overridden: BTreeMap::new() }
    }
}

impl Layers {
    /// Puts the text of a configuration file on top.
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
                let dotted = format!("{section}.{key}");
                if self.find(&dotted).is_none() {
                    return Err(self.unknown(&dotted, layer));
                }
                self.put(dotted, value, layer.clone())?;
            }
        }
        Ok(())
    }

    /// Puts the variables `PIXAVEN_SECTION_KEY` on top; others are not ours.
    pub(super) fn apply_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        for (name, text) in variables {
            if !name.starts_with(PREFIX) || FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
                continue;
            }
            let dotted = self.dotted_keys().find(|dotted| variable(dotted) == name);
            let Some(dotted) = dotted else {
                return Err(self.unknown_variable(name));
            };
            self.put_text(&dotted, &text, Layer::Variable(name))?;
        }
        Ok(())
    }

    /// Puts what the command line says on top, by dotted key.
    pub(super) fn apply_flags(
        &mut self,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        flags.into_iter().try_for_each(|(dotted, text)| self.put_text(&dotted, &text, Layer::Flag))
    }

    /// The value in force of every setting, as a TOML table.
    pub(super) fn table(&self) -> Table {
        let settings = |section: &Section| {
            let value = |setting: &Setting| self.in_force(section, setting).0.clone();
            section.settings.iter().map(|setting| (setting.key.to_owned(), value(setting))).collect()
        };
        self.sections
            .iter()
            .map(|section| (section.name.to_owned(), Value::Table(settings(section))))
            .collect()
    }

    /// Where the value of a setting comes from, by its dotted key.
    pub(super) fn layer(&self, dotted: &str) -> Layer {
        self.overridden.get(dotted).map_or(Layer::Default, |(_, layer)| layer.clone())
    }

    fn in_force<'a>(&'a self, section: &Section, setting: &'a Setting) -> (&'a Value, &'a Layer) {
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

    fn find(&self, dotted: &str) -> Option<&Setting> {
        let (section, key) = dotted.split_once('.')?;
        let section = self.sections.iter().find(|known| known.name == section)?;
        section.settings.iter().find(|known| known.key == key)
    }

    fn put_text(&mut self, dotted: &str, text: &str, layer: Layer) -> Result<(), Error> {
        let Some(setting) = self.find(dotted) else {
            return Err(self.unknown(dotted, layer));
        };
        let value = setting.accepts.value_of(text);
        self.put(dotted.to_owned(), value, layer)
    }

    fn put(&mut self, dotted: String, value: Value, layer: Layer) -> Result<(), Error> {
        let accepts = &self.find(&dotted).expect("callers looked it up").accepts;
        if !accepts.admits(&value) {
            return Err(Error::Invalid {
                message: format!("must be {accepts}, got {value}"),
                key: dotted,
                layer,
            });
        }
        self.overridden.insert(dotted, (value, layer));
        Ok(())
    }

    fn unknown(&self, dotted: &str, layer: Layer) -> Error {
        let known: Vec<String> = self.dotted_keys().collect();
        let nearest = spelling::nearest(dotted, known.iter().map(String::as_str)).unwrap_or_default();
        Error::Unknown { name: dotted.to_owned(), nearest: nearest.to_owned(), layer }
    }

    fn unknown_section(&self, section: &str, layer: Layer) -> Error {
        let nearest = spelling::nearest(section, self.sections.iter().map(|known| known.name));
        let nearest = format!("[{}]", nearest.unwrap_or_default());
        Error::Unknown { name: format!("[{section}]"), nearest, layer }
    }

    fn unknown_variable(&self, name: String) -> Error {
        let known: Vec<String> = self.dotted_keys().map(|dotted| variable(&dotted)).collect();
        let nearest =
            spelling::nearest(&name, known.iter().map(String::as_str)).unwrap_or_default().to_owned();
        Error::Unknown { name: name.clone(), nearest, layer: Layer::Variable(name) }
    }
}

/// A configuration file that says the same, each value with where it comes from.
impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, section) in self.sections.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n" };
            writeln!(f, "{gap}[{}]", section.name)?;
            for setting in &section.settings {
                let (value, layer) = self.in_force(section, setting);
                writeln!(f, "{} = {value} # {layer}", setting.key)?;
            }
        }
        Ok(())
    }
}

fn dotted_key(section: &Section, setting: &Setting) -> String {
    format!("{}.{}", section.name, setting.key)
}

/// The variable that sets `section.key`.
pub fn variable(dotted: &str) -> String {
    format!("{PREFIX}{}", dotted.replace('.', "_").to_ascii_uppercase())
}
