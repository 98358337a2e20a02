//! CLUENER's lines of JSON: a text, and its entities by type, surface and place.

use serde_json::{Map, Value};

use super::example::{Place, TokenExample};
use super::files::TextFile;
use super::json;
use crate::error::Error;

/// Reads texts as characters, each with a label: `B-type` where an entity begins, `I-type` within it, `O` elsewhere. Of entities that
/// overlap, the first stays: labels cannot say both. How many are left out is added to `notices`.
///
/// # Errors
/// If a line has another shape, or an entity is not where the file says it is.
pub(super) fn cluener(file: &TextFile, notices: &mut Vec<String>) -> Result<Vec<TokenExample>, Error> {
    let mut overlaps = Vec::new();
    let objects = json::objects(file)?.into_iter();
    let examples: Result<Vec<TokenExample>, Error> =
        objects.map(|(place, object)| example(place, &object, &mut overlaps)).collect();
    if let Some(first) = overlaps.first() {
        notices.push(format!(
            "{}: {} entities overlap others, which labels cannot say, and are left out (the first: {first})",
            file.path.display(),
            overlaps.len()
        ));
    }
    examples
}

fn example(
    place: Place,
    object: &Map<String, Value>,
    overlaps: &mut Vec<String>,
) -> Result<TokenExample, Error> {
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
                    overlaps.push(format!("{}, {surface}", place.what));
                    continue;
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
        cluener(&TextFile { path: "x".into(), text: line.to_owned(), sha256: String::new() }, &mut Vec::new())
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
            (r#"{"text": "老桂", "label": []}"#, "is not {type"),
            (r#"{"label": {}}"#, "no `text`"),
            ("{", "line 1 is no object"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn of_entities_that_overlap_the_first_stays() {
        let line = r#"{"text": "招商银行", "label": {"company": {"招商银行": [[0, 3]], "银行": [[2, 3]]}}}"#;
        let file = TextFile { path: "x".into(), text: line.to_owned(), sha256: String::new() };
        let mut notices = Vec::new();
        let read = cluener(&file, &mut notices).unwrap();
        assert_eq!(read[0].labels.as_deref().unwrap(), ["B-company", "I-company", "I-company", "I-company"]);
        assert!(
            notices[0].contains("1 entities overlap") && notices[0].contains("line 1, 银行"),
            "{notices:?}"
        );
    }
}
