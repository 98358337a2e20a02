//! CLUENER's lines of JSON: a text, and its entities by type, surface and place.

use serde_json::{Map, Value};

use super::example::{Place, TokenExample};
use super::files::TextFile;
use super::json;
use crate::error::Error;

/// Reads texts as characters, each with a label: `B-type` where an entity begins, `I-type` within it, `O` elsewhere.
///
/// # Errors
/// If a line has another shape, or an entity is not where the file says it is, or overlaps another one.
pub(super) fn cluener(file: &TextFile) -> Result<Vec<TokenExample>, Error> {
    json::objects(file)?.into_iter().map(|(place, object)| example(place, &object)).collect()
}

fn example(place: Place, object: &Map<String, Value>) -> Result<TokenExample, Error> {
    let wrong = |what: String| Error::input(place.file.as_path(), format!("{}: {what}", place.what));
    let text = object.get("text").and_then(Value::as_str).ok_or_else(|| wrong("no `text`".to_owned()))?;
    let words: Vec<String> = text.chars().map(String::from).collect();
    let Some(entities) = object.get("label") else {
        return Ok(TokenExample { place, words, labels: None });
    };
    let shape = || wrong("`label` is not {type: {surface: [[start, end]]}}".to_owned());
    let mut labels = vec!["O".to_owned(); words.len()];
    for (kind, surfaces) in entities.as_object().ok_or_else(shape)? {
        for (surface, places) in surfaces.as_object().ok_or_else(shape)? {
            for span in places.as_array().ok_or_else(shape)? {
                let ends =
                    span.as_array().map(|ends| ends.iter().filter_map(Value::as_u64).collect::<Vec<_>>());
                let Some([start, end]) = ends.as_deref() else { return Err(shape()) };
                let (start, end) = (*start as usize, *end as usize);
                let inside = words.get(start..=end).filter(|_| start <= end);
                if inside.map(<[String]>::concat).as_ref() != Some(surface) {
                    return Err(wrong(format!("{surface} does not stand at {start} to {end}")));
                }
                if labels[start..=end].iter().any(|label| label != "O") {
                    return Err(wrong(format!("{surface} overlaps another entity, which labels cannot say")));
                }
                labels[start] = format!("B-{kind}");
                labels[start + 1..=end].fill(format!("I-{kind}"));
            }
        }
    }
    Ok(TokenExample { place, words, labels: Some(labels) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<TokenExample>, Error> {
        cluener(&TextFile { path: "x".into(), text: line.to_owned(), sha256: String::new() })
    }

    #[test]
    fn places_become_labels() {
        let read = read(
            r#"{"text": "老桂在浙商", "label": {"name": {"老桂": [[0, 1]]}, "company": {"浙商": [[3, 4]]}}}"#,
        )
        .unwrap();
        assert_eq!(read[0].labels.as_deref().unwrap(), ["B-name", "I-name", "O", "B-company", "I-company"]);
    }

    #[test]
    fn wrong_places_are_refused() {
        for (line, what) in [
            (r#"{"text": "老桂", "label": {"name": {"老桂": [[0, 2]]}}}"#, "does not stand at 0 to 2"),
            (r#"{"text": "老桂", "label": {"name": {"老桂": [[1, 0]]}}}"#, "does not stand at 1 to 0"),
            (r#"{"text": "老桂", "label": {"name": {"老桂": [[0, 1]], "桂": [[1, 1]]}}}"#, "overlaps"),
            (r#"{"text": "老桂", "label": []}"#, "is not {type"),
            (r#"{"label": {}}"#, "no `text`"),
            ("{", "line 1 is no object"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
