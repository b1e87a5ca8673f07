//! A text table with aligned columns.

use std::fmt;

use serde_json::Value;

/// The spaces between two columns of a table.
const GAP: &str = "  ";

/// A table of text: headings, and rows with the same number of cells.
pub(crate) struct Table {
    /// The first row holds the headings.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with headings and without rows.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Creates a table from an array of JSON objects that all have the same members. Returns `None` if
    /// `value` is not an array of objects or is an empty array.
    pub(super) fn of_objects(value: &Value) -> Option<Self> {
        let objects: Vec<_> = value.as_array()?.iter().map(Value::as_object).collect::<Option<_>>()?;
        let mut table = Self { rows: vec![objects.first()?.keys().cloned().collect()] };
        for object in objects {
            table.push(object.values().map(figure).collect());
        }
        Some(table)
    }

    /// Returns whether the table has no rows below the headings.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Adds a row to the table.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a row with the name and the value of a figure. If the value is an object, adds one row for each
    /// member of the object instead.
    pub(super) fn push_figure(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    self.push_figure(&format!("{name}.{member}"), value);
                }
            }
            _ => self.push(vec![name.to_owned(), figure(value)]),
        }
    }

    /// Returns the width of a column in characters, and whether all cells of the column below the heading are
    /// numbers.
    fn column(&self, at: usize) -> (usize, bool) {
        let cells = || self.rows.iter().filter_map(move |row| row.get(at));
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let is_number = |cell: &String| cell == "-" || cell.parse::<f64>().is_ok();
        (width, cells().skip(1).all(is_number))
    }
}

/// Formats a value as text: fractions with two decimals, and a dash for a value that was not measured.
fn figure(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.2}", number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(figure).collect::<Vec<_>>().join(", "),
        _ => value.to_string(),
    }
}

impl fmt::Display for Table {
    /// Writes one line per row. Columns of numbers are aligned right, all other columns are aligned left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let columns: Vec<(usize, bool)> = (0..n_columns).map(|at| self.column(at)).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&columns).map(|(cell, &(width, is_number))| {
                if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_table_aligns_numbers_to_the_right_and_text_to_the_left() {
        let rows = json!([{ "case": "first", "ms": 1.234, "n": null }, { "case": "b", "ms": 10.0, "n": 7 }]);
        let table = Table::of_objects(&rows).unwrap();
        assert_eq!(table.to_string(), "case      ms  n\nfirst   1.23  -\nb      10.00  7\n");
        assert!(Table::of_objects(&json!([])).is_none() && Table::of_objects(&json!([1])).is_none());
    }

    #[test]
    fn a_report_table_shows_an_array_of_values_in_one_row_separated_by_commas() {
        let mut table = Table::new(&["figure", "value"]);
        table.push_figure("different", &json!(["a", "b"]));
        table.push_figure("missing", &json!([]));
        assert_eq!(table.to_string(), "figure     value\ndifferent  a, b\nmissing    none\n");
    }
}
