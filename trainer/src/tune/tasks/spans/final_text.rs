//! A prediction back in the words of its text (run_squad.py, get_final_text): tokens are lower-cased and without accents, and have
//! spaces where the text has none.

/// The part of `original` that is `predicted`, given the words that a tokenizer finds in `original`. All of `original` where that
/// cannot be said.
pub(super) fn final_text(predicted: &str, original: &str, basic_tokens: &[String]) -> String {
    part(predicted, original, basic_tokens).unwrap_or_else(|| original.to_owned())
}

fn part(predicted: &str, original: &str, basic_tokens: &[String]) -> Option<String> {
    let predicted: Vec<char> = predicted.chars().collect();
    let original: Vec<char> = original.chars().collect();
    let tokens: Vec<char> = basic_tokens.join(" ").chars().collect();
    let start = find(&tokens, &predicted)?;
    let end = (start + predicted.len()).checked_sub(1)?;
    let (of_original, of_tokens) = (without_spaces(&original), without_spaces(&tokens));
    if of_original.len() != of_tokens.len() {
        return None;
    }
    let back = |at: usize| of_tokens.binary_search(&at).ok().map(|number| of_original[number]);
    original.get(back(start)?..=back(end)?).map(|part| part.iter().collect())
}

/// The places of all characters that are no spaces.
fn without_spaces(text: &[char]) -> Vec<usize> {
    text.iter().enumerate().filter(|(_, c)| **c != ' ').map(|(at, _)| at).collect()
}

fn find(text: &[char], part: &[char]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}
