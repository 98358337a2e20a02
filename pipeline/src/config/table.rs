//! How the rows of a table are written: `header`, `separator`, `escape`.

use quanci_settings::Section;
use serde::{Deserialize, Serialize};

use super::format::Format;

/// How the rows of csv and tsv are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// Whether the first row names the columns; `None` takes it for a header unless it is clearly a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// What stands between two fields, one character or several; `None` is that of the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// The character before a quote that belongs to the text; `None`: such a quote is doubled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<char>,
}

impl TableSettings {
    /// True where nothing differs from the format: such settings leave no trace in keys and data sets.
    pub fn is_default(&self) -> bool {
        *self == TableSettings::default()
    }

    /// What stands between two fields.
    pub fn separator(&self, format: Format) -> &str {
        let default = if format == Format::Tsv { "\t" } else { "," };
        self.separator.as_deref().unwrap_or(default)
    }

    /// Of a `[[corpus]]`.
    pub(super) fn of(section: &Section<'_>, format: Format, text_field: Option<&[String]>) -> TableSettings {
        let header = "whether the first row of csv and tsv names the columns";
        let separator = "what stands between two fields of csv and tsv, such as \";\" or \"_!_\"; by default a comma or a tab";
        let escape = "the character before a quote that belongs to the text, usually \"\\\\\" (csv and tsv); by default quotes are doubled";
        // Asked in any case, for the reference; whether it was written is another question.
        let written = section.boolean("header", header, true);
        let table = TableSettings {
            header: section.has("header").then_some(written),
            separator: section.string("separator", separator),
            escape: section.string("escape", escape).and_then(|escape| one_char(section, &escape)),
        };
        table.check(section, format, text_field);
        table
    }

    fn check(&self, section: &Section<'_>, format: Format, text_field: Option<&[String]>) {
        let written = [
            ("header", self.header.is_some()),
            ("separator", self.separator.is_some()),
            ("escape", self.escape.is_some()),
        ];
        if !matches!(format, Format::Csv | Format::Tsv) {
            for (key, _) in written.iter().filter(|(_, is_there)| *is_there) {
                section.problem(key, format_args!("has no meaning with format = {:?}", format.name()));
            }
            return;
        }
        if self.separator.as_ref().is_some_and(|separator| separator.contains(['"', '\n', '\r'])) {
            section.problem("separator", "must not hold a quote or a line end");
        }
        let is_number = |field: &String| field.parse::<usize>().is_ok_and(|number| number > 0);
        if self.header == Some(false) && !text_field.is_some_and(|fields| fields.iter().all(is_number)) {
            let message = "must be the number of a column, from 1, with header = false";
            section.problem("text_field", message);
        }
    }
}

fn one_char(section: &Section<'_>, escape: &str) -> Option<char> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (Some(escape), None) if escape.is_ascii() && escape != '"' => Some(escape),
        _ => {
            section.problem("escape", "must be one character of ASCII, and no quote");
            None
        }
    }
}
