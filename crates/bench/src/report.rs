//! The report of a load tool: named figures and a verdict. Every tool prints its report in the same form: a
//! table for people on standard error, and one line of JSON for programs on standard output.

mod table;

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(crate) use self::table::Table;
use crate::api_client::{ApiClient, ApiResponse};

/// The largest number of lost requests whose history is printed. Lost requests usually have the same cause,
/// so that more histories tell nothing new.
const MAX_LOST_SHOWN: usize = 10;

/// The figures of a run, and the requirements that the run did not meet.
pub(crate) struct Report {
    command: &'static str,
    /// The figures by name, in the order in which the line of JSON contains them.
    figures: Map<String, Value>,
    /// Tables for people. If a table has the same name as a figure, the text for people contains the table
    /// and not the figure.
    tables: Vec<(&'static str, Table)>,
    unmet: Vec<&'static str>,
}

impl Report {
    /// Creates a report of the tool `command`. Each member of `figures` becomes one figure. Fails when
    /// `figures` is not an object.
    pub(crate) fn new(command: &'static str, figures: &impl Serialize) -> anyhow::Result<Self> {
        let Value::Object(figures) = serde_json::to_value(figures)? else {
            anyhow::bail!("the figures of {command} have no names");
        };
        Ok(Self { command, figures, tables: Vec::new(), unmet: Vec::new() })
    }

    /// Adds a table to the text for people. If `name` is the name of a figure, the table replaces this
    /// figure; otherwise `name` is the title of an additional table.
    pub(crate) fn table(mut self, name: &'static str, table: Table) -> Self {
        self.tables.push((name, table));
        self
    }

    /// Adds a requirement to the verdict. The run passes only if all requirements are met.
    pub(crate) fn require(mut self, requirement: &'static str, is_met: bool) -> Self {
        if !is_met {
            self.unmet.push(requirement);
        }
        self
    }

    /// Returns whether every requirement was met.
    pub(crate) fn passed(&self) -> bool {
        self.unmet.is_empty()
    }

    /// Prints the report on standard error and on standard output.
    pub(crate) fn print(&self) {
        progress(self.for_people());
        println!("{}", self.json());
    }

    fn json(&self) -> Value {
        let mut line = Map::new();
        line.insert("command".to_owned(), json!(self.command));
        line.extend(self.figures.clone());
        line.insert("passed".to_owned(), json!(self.passed()));
        line.insert("unmet".to_owned(), json!(self.unmet));
        Value::Object(line)
    }

    /// Formats the report for people: first the tables, then one table of all other figures, then the
    /// verdict.
    fn for_people(&self) -> String {
        let mut text = String::new();
        let mut single = Table::new(&["figure", "value"]);
        for (title, table) in &self.tables {
            text.push_str(&format!("{title}\n{table}\n"));
        }
        for (name, value) in &self.figures {
            if self.tables.iter().any(|(title, _)| title == name) {
                continue;
            }
            match Table::of_objects(value) {
                Some(table) => text.push_str(&format!("{name}\n{table}\n")),
                None => single.push_figure(name, value),
            }
        }
        let verdict =
            if self.passed() { "PASSED".to_owned() } else { format!("FAILED: {}", self.unmet.join("; ")) };
        if !single.is_empty() {
            text.push_str(&format!("{single}\n"));
        }
        text + &format!("{}: {verdict}", self.command)
    }
}

/// Prints a line about the progress of a run on standard error.
pub(crate) fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Prints the history that the server has of each lost request. If the server does not respond, the error is
/// printed instead.
pub(crate) async fn explain_lost(api: &ApiClient, lost: &[Uuid]) {
    for &id in lost.iter().take(MAX_LOST_SHOWN) {
        match api.get(&format!("/1.0/webhooks/{id}")).await {
            Ok(ApiResponse { status, json, .. }) => progress(format_args!("lost {id}: {status} {json}")),
            Err(error) => progress(format_args!("lost {id}: {error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let figures =
            json!({ "lost": 0, "delivery_ms": { "p50": 1.5 }, "cases": [{ "case": "a", "cut": 12 }] });
        Report::new("tool", &figures).unwrap()
    }

    #[test]
    fn the_json_of_a_benchmark_report_lists_the_command_then_the_measured_values_then_the_verdict() {
        let report = report().require("nothing is lost", true).require("it is fast", false);
        let expected = concat!(
            r#"{"command":"tool","lost":0,"delivery_ms":{"p50":1.5},"cases":[{"case":"a","cut":12}],"#,
            r#""passed":false,"unmet":["it is fast"]}"#
        );
        assert_eq!(report.json().to_string(), expected);
        assert!(Report::new("tool", &3).is_err());
    }

    #[test]
    fn a_text_report_shows_an_array_as_a_table_and_names_nested_values_with_dots() {
        let expected = "cases\ncase  cut\na      12\n\nfigure           value\nlost                 0\n\
                        delivery_ms.p50   1.50\n\ntool: PASSED";
        assert_eq!(report().for_people(), expected);
        let with_own_table = report().table("cases", Table::new(&["own"])).require("it is fast", false);
        let shown = with_own_table.for_people();
        assert!(
            shown.starts_with("cases\nown\n\nfigure") && shown.ends_with("tool: FAILED: it is fast"),
            "{shown}"
        );
    }
}
