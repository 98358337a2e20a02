//! A part of the training examples for dev and test, where a set has no such files. What belongs together stays together: the
//! same text, the questions of one article.

use quanci_shards::manifest::sha256;

use super::example::{Examples, Split};

/// Parts of `all`, with the shares of dev and test.
pub(super) fn split(all: Examples, dev: f64, test: f64) -> [Examples; 3] {
    fn parts<T>(list: Vec<T>, group: impl Fn(&T) -> String, [dev, test]: [f64; 2]) -> [Vec<T>; 3] {
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for example in list {
            parts[place(&group(&example), dev, test) as usize].push(example);
        }
        parts
    }
    let shares = [dev, test];
    match all {
        Examples::Texts(list) => parts(list, |example| example.text.clone(), shares).map(Examples::Texts),
        Examples::Tokens(list) => parts(list, |example| example.words.concat(), shares).map(Examples::Tokens),
        Examples::Spans(list) => {
            parts(list, |example| example.group.to_string(), shares).map(Examples::Spans)
        }
        Examples::Choices(list) => {
            parts(list, |example| example.context.to_string(), shares).map(Examples::Choices)
        }
    }
}

fn place(group: &str, dev: f64, test: f64) -> Split {
    let hash = sha256(format!("quanci tune split\n{group}").as_bytes());
    let part = u64::from_str_radix(&hash[..13], 16).unwrap_or(0) as f64 / (1u64 << 52) as f64;
    if part < dev {
        Split::Dev
    } else if part < dev + test {
        Split::Test
    } else {
        Split::Train
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_about_as_asked_for() {
        let counts = (0..10_000).fold([0; 3], |mut counts, number| {
            counts[place(&number.to_string(), 0.1, 0.2) as usize] += 1;
            counts
        });
        for (count, wanted) in counts.into_iter().zip([7000, 1000, 2000]) {
            assert!((count as i64 - wanted).abs() < 150, "{counts:?}");
        }
        assert_eq!(place("x", 0.0, 0.0), Split::Train);
    }
}
