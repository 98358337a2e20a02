//! `--version`, and the parsing of arguments, which prints it.

use clap::Parser;

/// Parses the process's arguments. `-V` prints the version alone, `--version` also the commit and `facts`: a name and what
/// is to be told of it, a line each.
pub fn parse<T: Parser>(commit: Option<&str>, facts: &[(&str, String)]) -> T {
    let mut command = T::command();
    let text = long_version(command.get_version().unwrap_or_default(), commit, facts);
    // clap takes texts that live as long as the process; this is called once.
    command = command.long_version(&*text.leak());
    let mut matches = command.clone().get_matches();
    T::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

fn long_version(version: &str, commit: Option<&str>, facts: &[(&str, String)]) -> String {
    let commit = commit.unwrap_or("unknown");
    facts
        .iter()
        .fold(format!("{version}\ncommit {commit}"), |text, (name, fact)| format!("{text}\n{name} {fact}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_and_facts() {
        let facts = [("features", "s3, gcs".to_owned())];
        assert_eq!(
            long_version("0.1.0", Some("0123456789"), &facts),
            "0.1.0\ncommit 0123456789\nfeatures s3, gcs"
        );
        assert_eq!(long_version("0.1.0", None, &[]), "0.1.0\ncommit unknown");
    }
}
