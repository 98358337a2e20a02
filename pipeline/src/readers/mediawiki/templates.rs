//! Templates that stand within sentences, and what is read of them. All others are left out: nothing is expanded.

/// What a template reads as.
enum Shown {
    /// The first of these arguments, counted from 1, that has text.
    Argument(&'static [usize]),
    /// The last argument.
    Last,
    /// Text of its own.
    Text(&'static str),
    /// The first two, and what stands between them.
    Both(&'static str),
    /// Years and days of birth and death.
    Life,
}

/// Appends what is read of a template, by its name and arguments.
pub(super) fn append(parts: &[String], text: &mut String) {
    let Some(name) = parts.first() else { return };
    let name = name.trim().replace('_', " ").to_lowercase();
    let name = name.strip_prefix("template:").unwrap_or(&name);
    if let Some(number) = name.strip_prefix("formatnum:") {
        return text.push_str(number.trim());
    }
    let Some(shown) = shown(name) else { return };
    let arguments = Arguments(&parts[1..]);
    match shown {
        Shown::Argument(numbers) => {
            let found =
                arguments.named("d").or_else(|| numbers.iter().find_map(|&number| arguments.get(number)));
            text.push_str(found.unwrap_or_default());
        }
        Shown::Last => text.push_str(arguments.positional().last().unwrap_or_default()),
        Shown::Text(own) => text.push_str(own),
        Shown::Both(between) => {
            let (first, second) = (arguments.get(1), arguments.get(2));
            text.push_str(first.unwrap_or_default());
            if first.is_some() && second.is_some() {
                text.push_str(between);
            }
            text.push_str(second.unwrap_or_default());
        }
        Shown::Life => life(&arguments, text),
    }
}

fn shown(name: &str) -> Option<Shown> {
    use Shown::{Argument, Both, Last, Life, Text};
    Some(match name {
        "le" => Argument(&[3, 1]),
        _ if name.starts_with("link-") || name.starts_with("internal link helper") => Argument(&[3, 1]),
        "tsl" => Argument(&[4, 3, 2]),
        "ill" | "illm" | "interlanguage link" | "ilh" => Argument(&[1]),
        "lang" => Argument(&[2]),
        _ if name.starts_with("lang-") => Argument(&[1]),
        "nowrap" | "nobr" | "small" | "smaller" | "big" | "larger" | "center" | "bold" | "quote"
        | "cquote" | "quotation" | "blockquote" | "rquote" | "ruby" | "ruby-zh-p" | "unicode" | "abbr"
        | "tooltip" | "僻字" | "僻字2" | "kai" | "fs" | "nihongo" | "nihongo2" | "small2" | "sub" | "sup" => {
            Argument(&[1])
        }
        "color" | "font color" | "fontcolor" | "resize" | "transl" | "colored text" => Last,
        "gap" | "nbsp" | "space" | "spaces" | "pad" => Text(" "),
        "!" => Text("|"),
        "=" => Text("="),
        "·" | "•" | "dot" | "middot" | "bullet" | "w" => Text("·"),
        "—" | "––" | "mdash" | "ndash" | "–" | "snd" | "dash" => Text("—"),
        "'" => Text("'"),
        "convert" | "cvt" => Both(""),
        "frac" | "sfrac" | "分數" => Both("/"),
        "bd" => Life,
        _ => return None,
    })
}

struct Arguments<'a>(&'a [String]);

impl<'a> Arguments<'a> {
    fn positional(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|part| named(part).is_none()).map(|part| part.trim())
    }

    fn get(&self, number: usize) -> Option<&'a str> {
        let positional = || self.positional().nth(number - 1);
        self.named(&number.to_string()).or_else(positional).filter(|text| !text.is_empty())
    }

    fn named(&self, name: &str) -> Option<&'a str> {
        let value = self.0.iter().filter_map(|part| named(part)).find(|(there, _)| *there == name);
        value.map(|(_, value)| value).filter(|value| !value.is_empty())
    }
}

/// The name and the value of `name=value`.
fn named(part: &str) -> Option<(&str, &str)> {
    let (name, value) = part.split_once('=')?;
    let name = name.trim();
    // A formula or an address is no name.
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    is_name.then(|| (name, value.trim()))
}

/// `{{bd|1912年|6月23日|1954年|6月7日}}`: （1912年6月23日－1954年6月7日）.
fn life(arguments: &Arguments<'_>, text: &mut String) {
    let date = |year: usize| {
        let parts = [arguments.get(year), arguments.get(year + 1)];
        parts.into_iter().flatten().collect::<String>()
    };
    let (birth, death) = (date(1), date(3));
    if !birth.is_empty() || !death.is_empty() {
        text.push_str(&format!("（{birth}－{death}）"));
    }
}
